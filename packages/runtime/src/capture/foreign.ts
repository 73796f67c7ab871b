/** The program of this worker, when its files are on another machine. */
export interface ForeignProgram {
  /** Whether this is the URL of a module of the program, which is not to be read from the disk here. */
  covers(url: string): boolean;
  /**
   * Where a module of the program finds what it imports: a URL that can be imported here.
   * @throws Error with the code `ERR_MODULE_NOT_FOUND`, IonoError
   */
  locate(specifier: string, parentUrl: string): string;
  /** The same by the name it has on the program's machine, to be sent on; undefined when nothing is there. */
  nameOf(specifier: string, parentUrl: string): string | undefined;
  /** The text of a module of the program. Undefined when it cannot be had. */
  text(url: string): string | undefined;
}

const place = Symbol.for("iono.foreign");

interface Holder {
  [place]?: ForeignProgram | undefined;
}

/** Undefined where the program's files are. */
export function foreignProgram(): ForeignProgram | undefined {
  return (globalThis as Holder)[place];
}

export function setForeignProgram(program: ForeignProgram | undefined): void {
  (globalThis as Holder)[place] = program;
}
