/**
 * The k nearest rows by Euclidean distance as an ONNX model. Of ‖q − t‖² = ‖q‖² − 2 q·t + ‖t‖² the first
 * term is the same for every t, so the nearest rows are those with the largest q·t − ½‖t‖²:
 *
 *     queries ─ Cast ─┐
 *     training ───────┼─ Gemm (α = 1, β = −½, B transposed) ─ TopK ─ nearest
 *     squaredNorms ───┘                                      k ─┘
 */
import { bytes, float, integer, message, text } from "./protobuf.ts";

const FLOAT = 1;
const UINT8 = 2;
const INT64 = 7;
const IR_VERSION = 8;
const OPSET = 17;

/**
 * The model's file content. Inputs: `queries` uint8 [n, columns], `training` float [m, columns],
 * `squaredNorms` float [m], `k` int64 [1]. Output: `nearest` int64 [n, k], nearest first.
 */
export function nearestRowsModel(columns: number): Uint8Array {
  const graph = message(
    node("Cast", ["queries"], ["floats"], [intAttribute("to", FLOAT)]),
    node(
      "Gemm",
      ["floats", "training", "squaredNorms"],
      ["scores"],
      [intAttribute("transB", 1), floatAttribute("beta", -0.5)],
    ),
    node("TopK", ["scores", "k"], ["best", "nearest"], []),
    text(2, "nearest-rows"),
    bytes(11, tensor("queries", UINT8, ["n", columns])),
    bytes(11, tensor("training", FLOAT, ["m", columns])),
    bytes(11, tensor("squaredNorms", FLOAT, ["m"])),
    bytes(11, tensor("k", INT64, [1])),
    bytes(12, tensor("nearest", INT64, ["n", "k"])),
  );
  return message(integer(1, IR_VERSION), bytes(7, graph), bytes(8, message(integer(2, OPSET))));
}

function node(operator: string, inputs: string[], outputs: string[], attributes: Uint8Array[]): Uint8Array {
  return bytes(
    1,
    message(
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(4, operator),
      ...attributes.map((attribute) => bytes(5, attribute)),
    ),
  );
}

function intAttribute(name: string, value: number): Uint8Array {
  return message(text(1, name), integer(3, value), integer(20, 2));
}

function floatAttribute(name: string, value: number): Uint8Array {
  return message(text(1, name), float(2, value), integer(20, 1));
}

/** A name, a type and a shape whose free dimensions are named. */
function tensor(name: string, type: number, shape: (string | number)[]): Uint8Array {
  const dimensions = shape.map((size) =>
    bytes(1, typeof size === "number" ? integer(1, size) : text(2, size)),
  );
  return message(
    text(1, name),
    bytes(2, bytes(1, message(integer(1, type), bytes(2, message(...dimensions))))),
  );
}
