/** `iono keys`: makes the keys by which this machine is known to others. */
import { hasKeys, loadKeys } from "@iono/runtime/tools";
import type { CommandModule } from "yargs";
import { printFailure } from "./failure.ts";
import { keysDirectory } from "./start.ts";

interface KeysOptions {
  readonly dir?: string;
  readonly json: boolean;
}

export const keysCommand: CommandModule<object, KeysOptions> = {
  command: "keys",
  describe: "Make this machine's keys, once; needed to listen beyond this machine",
  builder: (yargs) =>
    yargs
      .option("dir", { type: "string", describe: "Where they are kept [~/.iono/keys]" })
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .example("$0 keys", "make them, or show the public one"),
  handler: ({ dir, json }) => {
    try {
      const directory = dir ?? keysDirectory();
      const isNew = !hasKeys(directory);
      const { publicKey } = loadKeys(directory);
      if (json) console.log(JSON.stringify({ directory, publicKey, isNew }));
      else
        console.log(
          `${isNew ? "Made keys" : "There are keys"} in ${directory}; the public one: ${publicKey}`,
        );
    } catch (error) {
      printFailure(error, json);
    }
  },
};
