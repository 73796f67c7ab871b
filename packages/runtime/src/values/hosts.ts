import { CannotTravelError } from "@iono/core";
import type { DecodeHost, EncodeHost } from "./seam.ts";

/** Encodes data only: every function, class and reference is refused. */
export const rejectingEncodeHost: EncodeHost = {
  reference() {
    throw new CannotTravelError([], "a reference cannot travel here");
  },
  image(_fn, path) {
    throw new CannotTravelError(path, "a function cannot travel here");
  },
  knows: () => false,
};

/** Decodes data only. */
export const rejectingDecodeHost: DecodeHost = {
  reference(index) {
    throw new Error(`malformed value: reference ${index}, but references cannot travel here`);
  },
  module(url) {
    throw new Error(`malformed value: module ${url}, but code cannot travel here`);
  },
  instantiate(unit) {
    throw new Error(`malformed value: code of ${unit.url}, but code cannot travel here`);
  },
  unit(id) {
    throw new Error(`malformed value: code ${id}, but code cannot travel here`);
  },
};
