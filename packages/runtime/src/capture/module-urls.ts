/** A module of ours that stands for what surrounds the code of one file: `import.meta`, `import()`, `require` … */
export const fileScopePrefix = "iono:file:";
/** A module of ours that stands for a CommonJS module, as `require` gives it. */
export const requiredPrefix = "iono:require:";

/** The URL under which the surroundings of `url`'s code are imported. */
export function fileScopeUrl(url: string): string {
  return fileScopePrefix + url;
}

/** The URL under which a CommonJS module's exports are imported as `require` gives them. */
export function requiredUrl(url: string): string {
  return requiredPrefix + url;
}

/** A module of ours whose exports are the language's and Node's own functions, by their path from `globalThis`. */
export const globalsUrl = "iono:globals";
