import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expiredTokenKeptMs, maxTokens, TokenMachine, type JoinRole } from "./tokens.ts";

const id = fc.constantFrom("a", "b", "c");
const role = fc.constantFrom<JoinRole>("node", "client");
const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("create" as const),
      id,
      role,
      uses: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
      lifeMs: fc.integer({ min: 1, max: 1000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("withdraw" as const), id }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 500 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("redeem" as const),
      id,
      role,
      publicKey: fc.constantFrom("x", "y", "z"),
      isGenuine: fc.boolean(),
    }),
  },
);

describe("tokens", () => {
  it("let in as many as they say, for as long as they say", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        let machine = new TokenMachine();
        const model = new Map<
          string,
          { role: JoinRole; uses: number; expiresMs: number; usedBy: Set<string> }
        >();
        let nowMs = 0;
        for (const each of steps) {
          if (each.type === "wait") nowMs += each.ms;
          else if (each.type === "restart") {
            const kept: unknown = structuredClone(machine.records());
            machine = new TokenMachine(kept as ReturnType<TokenMachine["records"]>);
          } else if (each.type === "withdraw") expect(machine.withdraw(each.id)).toBe(model.delete(each.id));
          else if (each.type === "create") {
            const { id: name, role: as, uses, lifeMs } = each;
            const token = { id: name, hash: `hash ${name}`, role: as, uses, expiresMs: nowMs + lifeMs };
            if (model.has(name)) {
              expect(() => machine.create(token, nowMs)).toThrow("there is a token");
              continue;
            }
            expect(machine.create(token, nowMs)).toBe(true);
            model.set(name, { role: as, uses, expiresMs: nowMs + lifeMs, usedBy: new Set() });
          } else {
            const token = model.get(each.id);
            const answer = machine.redeem({ ...each, nowMs });
            const refusal = answer.type === "refused" ? answer.refusal : undefined;
            if (token === undefined || !each.isGenuine) expect(refusal).toBe("wrong");
            else if (nowMs >= token.expiresMs) expect(refusal).toBe("expired");
            else if (token.role === "client" && each.role === "node") expect(refusal).toBe("wrongRole");
            else if (token.usedBy.has(each.publicKey) && Number.isFinite(token.uses))
              expect(answer).toEqual({ type: "accepted", isRepeat: true });
            else if (token.usedBy.size >= token.uses) expect(refusal).toBe("usedUp");
            else {
              expect(answer).toEqual({ type: "accepted", isRepeat: false });
              token.usedBy.add(each.publicKey);
            }
          }
          machine.check();
          expect(machine.size).toBe(model.size);
          for (const name of ["a", "b", "c"])
            expect(machine.hashOf(name)).toBe(model.has(name) ? `hash ${name}` : undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("are bounded: expired ones make room, long expired ones go by themselves", () => {
    const machine = new TokenMachine();
    const make = (name: string, expiresMs: number, nowMs: number): boolean =>
      machine.create({ id: name, hash: "", role: "node", uses: 1, expiresMs }, nowMs);
    expect(make("short", 10, 0)).toBe(true);
    for (let i = 1; i < maxTokens; i++) make(`t${i}`, Number.POSITIVE_INFINITY, 0);
    expect(make("more", 100, 5)).toBe(false);
    expect(make("more", 100, 10)).toBe(true);
    expect(machine.hashOf("short")).toBeUndefined();
    machine.withdraw("t1");
    expect(make("last", Number.POSITIVE_INFINITY, 101 + expiredTokenKeptMs)).toBe(true);
    expect(machine.hashOf("more")).toBeUndefined();
    machine.check();
  });

  it("refuse uses that are no number of machines", () => {
    for (const uses of [0, -1, 1.5, Number.NaN, 1e9])
      expect(() =>
        new TokenMachine().create({ id: "a", hash: "", role: "node", uses, expiresMs: 1 }, 0),
      ).toThrow("uses of a token");
  });
});
