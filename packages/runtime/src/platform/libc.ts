import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import { SystemCallError } from "./platform.ts";

/** The functions of libc we call, through koffi. Pointers and addresses are bigints. */
export interface Libc {
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, bytes: number): number;
  fallocate: Asynchronous<(fd: number, mode: number, offset: number, bytes: number) => number>;
  mmap(address: null, bytes: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, bytes: number): number;
  madvise: Asynchronous<(address: bigint, bytes: number, advice: number) => number>;
  memcpy(to: bigint, from: Uint8Array, bytes: number): void;
  socket(domain: number, type: number, protocol: number): number;
  connect(fd: number, address: Uint8Array, bytes: number): number;
  send(fd: number, from: Uint8Array, bytes: number, flags: number): number;
  recv(fd: number, to: Uint8Array, bytes: number, flags: number): number;
  poll(polled: Uint8Array, count: number, timeoutMs: number): number;
  usleep(microseconds: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  getppid(): number;
  getrlimit(resource: number, limits: BigUint64Array): number;
  setrlimit(resource: number, limits: BigUint64Array): number;
  /** errno of the last call on this thread. */
  errno(): string;
  view(address: bigint, bytes: number): ArrayBuffer;
}

type Asynchronous<F extends (...args: never[]) => number> = F & {
  async(...args: [...Parameters<F>, (error: unknown, result: number) => void]): void;
};

/** Loads koffi and libc (13 ms). Throws where there is no koffi, or no glibc. */
export function loadLibc(): Libc {
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const library = koffi.load("libc.so.6");
  const names = new Map<number, string>(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
  const func = (declaration: string) => library.func(declaration);
  return {
    memfd_create: func("int memfd_create(const char *name, unsigned int flags)"),
    ftruncate: func("int ftruncate(int fd, int64_t bytes)"),
    fallocate: func("int fallocate(int fd, int mode, int64_t offset, int64_t bytes)"),
    mmap: func("void *mmap(void *address, size_t bytes, int protection, int flags, int fd, int64_t offset)"),
    munmap: func("int munmap(uintptr_t address, size_t bytes)"),
    madvise: func("int madvise(uintptr_t address, size_t bytes, int advice)"),
    memcpy: func("void memcpy(uintptr_t to, const void *from, size_t bytes)"),
    socket: func("int socket(int domain, int type, int protocol)"),
    connect: func("int connect(int fd, const void *address, unsigned int bytes)"),
    send: func("int64_t send(int fd, const void *from, size_t bytes, int flags)"),
    recv: func("int64_t recv(int fd, void *to, size_t bytes, int flags)"),
    poll: func("int poll(void *polled, unsigned long count, int timeout)"),
    usleep: func("int usleep(unsigned int microseconds)"),
    prctl: func("int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)"),
    getppid: func("int getppid()"),
    getrlimit: func("int getrlimit(int resource, void *limits)"),
    setrlimit: func("int setrlimit(int resource, const void *limits)"),
    errno: () => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
    view: (address, bytes) => koffi.view(address, bytes),
  };
}

/** Throws what errno says when `result` is negative. */
export function checked(libc: Libc, call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, libc.errno());
  return result;
}
