import { expect, test } from "vitest";
import { portableFlags } from "./portable-flags.ts";

test("flags that name files stay where the files are", () => {
  const given = [
    ...["--conditions=iono-source", "-C", "development", "--max_old_space_size=4096"],
    ...["--import", "file:///home/me/node_modules/tsx/loader.mjs", "--require=./setup.cjs", "-r", "x"],
    ...["--env-file=.env", "--enable-source-maps", "--stack-trace-limit", "50"],
  ];
  expect(portableFlags(given)).toEqual({
    flags: [
      ...["--conditions=iono-source", "-C", "development", "--max_old_space_size=4096"],
      ...["--enable-source-maps", "--stack-trace-limit", "50"],
    ],
    dropped: ["--import", "--require", "-r", "--env-file"],
  });
  expect(portableFlags([])).toEqual({ flags: [], dropped: [] });
});
