import { expect, it } from "vitest";
import { AllocationMeter } from "./allocation-meter.ts";

it("counts what was allocated, also what has been collected since", () => {
  const count = 2_000_000;
  const kept: unknown[] = [];
  const meter = new AllocationMeter();
  for (let i = 0; i < count; i++) kept[i % 100] = { i, half: i + 0.5 };
  const bytesEach = meter.stop() / count;
  expect(bytesEach).toBeGreaterThan(24);
  expect(bytesEach).toBeLessThan(120);
});
