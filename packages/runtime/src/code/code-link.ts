import { IonoError, readCodeReply, type CodeReply, type CodeRequest } from "@iono/core";
import { unpackMessage } from "../owner/payload.ts";
import { PeerGoneError, type BlockingSocket, type Platform } from "../platform/platform.ts";
import { blockedMs, framed, lengthBytes, maxReplyBytes, type CodeHello } from "./code-wire.ts";

/** Where a worker asks about modules of its program. */
export interface ModuleSource {
  /**
   * Blocks this thread until the answer is here.
   * @throws IonoError ClusterLost when the agent of this node is gone
   */
  ask(request: CodeRequest): CodeReply;
}

export interface CodeLinkOptions extends CodeHello {
  readonly platform: Platform;
  /** Of the agent's `CodeRelay`. */
  readonly socketPath: string;
}

/** Asks the agent of this node; connects with the first question. */
export class CodeLink implements ModuleSource {
  readonly #options: CodeLinkOptions;
  #socket: BlockingSocket | undefined;

  constructor(options: CodeLinkOptions) {
    this.#options = options;
  }

  ask(request: CodeRequest): CodeReply {
    try {
      const socket = this.#connected();
      socket.send(framed(request));
      const length = this.#receive(socket, lengthBytes).readUInt32LE(0);
      if (length > maxReplyBytes) throw new PeerGoneError(`a reply of ${length} bytes`);
      const reply = readCodeReply(unpackMessage(this.#receive(socket, length), 0, length));
      if (reply === undefined) throw new PeerGoneError("a reply that is none");
      return reply;
    } catch (error) {
      // What is still to come of a reply must not be taken for the next one.
      this.close();
      const what = request.t === "load" ? request.url : request.specifier;
      const reason = error instanceof Error ? error.message : String(error);
      throw new IonoError("ClusterLost", `the agent of this node cannot be asked for ${what}: ${reason}`, {
        cause: error,
      });
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  #connected(): BlockingSocket {
    if (this.#socket !== undefined) return this.#socket;
    const { platform, socketPath, process, secret } = this.#options;
    const socket = platform.connectBlocking(socketPath);
    this.#socket = socket;
    socket.send(framed({ process, secret } satisfies CodeHello));
    return socket;
  }

  #receive(socket: BlockingSocket, bytes: number): Buffer {
    const target = Buffer.alloc(bytes);
    if (bytes > 0 && !socket.receive(target, blockedMs))
      throw new PeerGoneError(`no answer within ${blockedMs} ms`);
    return target;
  }
}
