/**
 * The first byte of every encoded value. A number is never given a second meaning.
 *
 * 0x00–0x3f  the tags below
 * 0x40–0x7f  a Latin-1 string of 0–63 bytes, which follow
 * 0x80–0xff  the integer 0–127
 */

export const TAG_UNDEFINED = 0;
export const TAG_NULL = 1;
export const TAG_FALSE = 2;
export const TAG_TRUE = 3;
/** int32, little endian. */
export const TAG_INT32 = 4;
/** float64, little endian. */
export const TAG_FLOAT64 = 5;
/** int64, little endian. */
export const TAG_BIGINT64 = 6;
/** sign byte (1 = negative), byte count, magnitude in little-endian bytes. */
export const TAG_BIGINT = 7;
/** byte count, then one byte a code unit. */
export const TAG_LATIN1 = 8;
/** byte count, then UTF-8 of a well-formed string. */
export const TAG_UTF8 = 9;
/** code unit count, then two bytes a code unit: holds lone surrogates. */
export const TAG_UTF16 = 10;
/** Symbol.for(key): a string value follows. */
export const TAG_SYMBOL_FOR = 11;
/** One byte: position in `wellKnownSymbols`. */
export const TAG_SYMBOL_WELL_KNOWN = 12;
/** Inside an array: no element here. */
export const TAG_HOLE = 13;
/** index of an object met earlier in this value. */
export const TAG_AGAIN = 14;
/** count, then the elements. */
export const TAG_ARRAY = 15;
/** length, entry count, then (index, value) pairs. */
export const TAG_ARRAY_SPARSE = 16;
/** properties: a prototype of Object.prototype. */
export const TAG_OBJECT = 17;
/** prototype (an object or null), then properties. */
export const TAG_OBJECT_OF_PROTOTYPE = 18;
/** class: its prototype object. */
export const TAG_PROTOTYPE_OF = 19;
/** Before a key: attribute bits of a property that is not writable, enumerable and configurable. */
export const TAG_ATTRIBUTES = 20;
/** an object of another tag, then properties it has besides. */
export const TAG_WITH_PROPERTIES = 21;
/** an object of another tag, then the prototype it has instead of its natural one. */
export const TAG_OF_PROTOTYPE = 22;
/** a container whose contents follow at the end (deep nesting): the tag it would have had. */
export const TAG_DEFERRED = 23;
export const TAG_DATE = 24;
export const TAG_REGEXP = 25;
export const TAG_MAP = 26;
export const TAG_SET = 27;
export const TAG_URL = 28;
export const TAG_URL_SEARCH_PARAMS = 29;
/** Object(primitive): the primitive follows. */
export const TAG_BOXED = 30;
/** buffer number. */
export const TAG_ARRAY_BUFFER = 31;
/** view kind, buffer number, byte offset, byte length. */
export const TAG_VIEW = 32;
/** prototype, stack, then the other properties. */
export const TAG_ERROR = 33;
export const TAG_DOM_EXCEPTION = 34;
/** a function or class: the code unit itself, bindings, properties. */
export const TAG_CODE = 35;
/** the same, the unit by id (the receiver has it). */
export const TAG_CODE_KNOWN = 36;
/** the same, the unit by its number in this value. */
export const TAG_CODE_AGAIN = 37;
/** module number, export name: a function or class. */
export const TAG_IMPORT = 38;
/** the same for a binding that is an import; it takes no index among the objects. */
export const TAG_IMPORT_BINDING = 47;
/** steps to finish classes or methods that are still being built, the last being the value: index, superclass binding + 1. */
export const TAG_FORCE = 39;
/** a class still being built that cannot be finished here: a patch sets this slot later. */
export const TAG_LATER = 40;
/** index into the host's list of references. */
export const TAG_REFERENCE = 41;
/** a registered type, described here for the first time, then its payload. */
export const TAG_REGISTERED = 42;
/** number of a registered type described earlier, then its payload. */
export const TAG_REGISTERED_AGAIN = 43;
/** name of something every realm has (`Math.floor`, `TypeError.prototype`). */
export const TAG_INTRINSIC = 44;
/** integrity level, then an object. */
export const TAG_INTEGRITY = 46;
/** Only as the very first byte: modules to import, raw buffers; then the value. */
export const TAG_PREAMBLE = 45;

export const SHORT_STRING = 0x40;
export const SHORT_STRING_MAX = 63;
export const SMALL_INT = 0x80;
export const SMALL_INT_MAX = 127;

/** Attribute bits of a property. */
export const WRITABLE = 1;
export const ENUMERABLE = 2;
export const CONFIGURABLE = 4;

/** Integrity levels, as Object.preventExtensions, seal and freeze set them. */
export const NOT_EXTENSIBLE = 1;
export const SEALED = 2;
export const FROZEN = 3;

/** Where a slot is that a patch sets later. */
export const PATCH_PROPERTY = 1;
export const PATCH_BINDING = 2;
export const PATCH_MAP_VALUE = 3;

/** Raw data of this many bytes and more goes to `parts`. */
export const PART_MIN_BYTES = 4096;

/** Containers nested deeper than this have their contents written at the end, so that the stack stays shallow. */
export const DEFER_DEPTH = 160;
/** What must be built from the inside out (errors, classes, registered types) may nest this deep, then it is refused. */
export const MAX_DEPTH = 400;

/**
 * Properties of an object: their count, then key and value of each. A key is a string, a symbol,
 * or TAG_ATTRIBUTES with its bits and then the string or symbol.
 */

/** Symbols every realm has. Append only: the position is on the wire. */
export const wellKnownSymbols: readonly symbol[] = [
  Symbol.asyncIterator,
  Symbol.hasInstance,
  Symbol.isConcatSpreadable,
  Symbol.iterator,
  Symbol.match,
  Symbol.matchAll,
  Symbol.replace,
  Symbol.search,
  Symbol.species,
  Symbol.split,
  Symbol.toPrimitive,
  Symbol.toStringTag,
  Symbol.unscopables,
  // In Node 22 these two are Node's own symbols, in 24 the language's.
  Symbol.dispose,
  Symbol.asyncDispose,
];
