/** Stands in the table of objects for one that is still being made. */
export const unfinished = Symbol("unfinished");
