#!/usr/bin/env node
/** The `iono` command: one file a subcommand. */
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { doctorCommand } from "./doctor.ts";
import { keysCommand } from "./keys.ts";
import { startCommand } from "./start.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";
import { tokenCommand } from "./token.ts";
import { ionoVersion } from "./versions.ts";

const words = hideBin(process.argv);

void yargs(words.length === 0 ? ["--help"] : words)
  .scriptName("iono")
  .usage("$0 <command>")
  .command(startCommand)
  .command(stopCommand)
  .command(statusCommand)
  .command(tokenCommand)
  .command(keysCommand)
  .command(doctorCommand)
  .demandCommand(1, "Name a command.")
  .strictCommands()
  .strict()
  // One line says what is wrong; the whole help would hide it.
  .showHelpOnFail(false, "Add --help to see what there is.")
  .version(ionoVersion())
  .alias({ h: "help", v: "version" })
  .wrap(100)
  .parseAsync();
