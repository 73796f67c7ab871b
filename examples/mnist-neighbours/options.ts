import yargs from "yargs";

/** What the command line may set; every field is filled. */
export interface Options {
  /** Number of neighbours that vote, 1 to 100. */
  k: number;
  /** Test images to classify, 1 to 10,000. */
  limit: number;
  /** Test images a task. */
  batch: number;
  /** Start a cluster of so many nodes on this machine; 1: the program's own. */
  nodes: number;
  /** Join this cluster; undefined: as the environment says, else the program's own. */
  address: string | undefined;
  token: string | undefined;
  /** Print one JSON object instead of text. */
  json: boolean;
}

/** Reads the command line; prints what is wrong and exits with 1 when it cannot be right. */
export function parseOptions(argv: string[]): Options {
  return yargs(argv)
    .scriptName("mnist-neighbours")
    .usage("$0 [options]\n\nClassifies the MNIST test set by k nearest neighbours on all cores.")
    .options({
      k: { type: "number", default: 3, describe: "neighbours that vote" },
      limit: { type: "number", default: 10_000, describe: "test images to classify" },
      batch: { type: "number", default: 100, describe: "test images a task" },
      nodes: { type: "number", default: 1, describe: "start a cluster of so many nodes on this machine" },
      address: { type: "string", describe: "join this cluster, iono://host:port [IONO_ADDRESS]" },
      token: { type: "string", describe: "as its head printed it [IONO_TOKEN]" },
      json: { type: "boolean", default: false, describe: "print one JSON object" },
    })
    .check(({ k, limit, batch, nodes, address, token }) => {
      requireInteger("k", k, 100);
      requireInteger("limit", limit, 10_000);
      requireInteger("batch", batch, 1_000);
      requireInteger("nodes", nodes, 16);
      if (nodes > 1 && address !== undefined)
        throw new Error("--nodes starts a cluster, --address joins one");
      if (token !== undefined && address === undefined) throw new Error("--token is for an --address");
      return true;
    })
    .example("$0 --nodes 3", "on a cluster of three nodes on this machine")
    .example("$0 --limit 1000 --k 5", "a tenth of the test set, five neighbours")
    .version(false)
    .strict()
    .parseSync();
}

function requireInteger(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new Error(`--${name} must be a whole number from 1 to ${max.toLocaleString("en")}, not ${value}`);
}
