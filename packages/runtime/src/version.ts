/** The version of this package; all processes of a cluster have the same. */
export const version = "0.1.0";
