/** Runs before each test file: what the file starts carries its name, so that a leak can be traced to it. */
import { relative } from "node:path";
import { expect } from "vitest";
import { fileVariable } from "./leaks.ts";

const { testPath } = expect.getState();
if (testPath !== undefined) process.env[fileVariable] = relative(process.cwd(), testPath);
