#!/usr/bin/env node
/** The `iono` command: one file a subcommand. */
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { doctorCommand } from "./doctor.ts";
import { statusCommand } from "./status.ts";
import { ionoVersion } from "./versions.ts";

void yargs(hideBin(process.argv))
  .scriptName("iono")
  .usage("$0 <command>")
  .command(statusCommand)
  .command(doctorCommand)
  .demandCommand(1, "Name a command; see the list above.")
  .strict()
  .version(ionoVersion())
  .alias({ h: "help", v: "version" })
  .wrap(100)
  .parseAsync();
