/**
 * What every signal bus promises, run on each of its implementations.
 *
 * @module
 */
import { deepStrictEqual as assertEquals } from "node:assert/strict";
import type { SignalBus } from "../../src/events/bus.ts";

export interface OpenBuses extends AsyncDisposable {
  /** The bus of a replica of that name. */
  readonly of: (replica: string) => Promise<SignalBus>;
}

/** @param declare makes a test of a name and a body */
export function signalBusContract(
  name: string,
  open: () => Promise<OpenBuses>,
  declare: (name: string, body: () => Promise<void>) => void = Deno.test,
): void {
  const it = (promise: string, body: (a: SignalBus, b: SignalBus) => Promise<void>) =>
    declare(`${name} ${promise}`, async () => {
      await using buses = await open();
      await body(await buses.of("a"), await buses.of("b"));
    });

  it("brings a signal to whom it names, and the answer back", async (a, b) => {
    b.receive((signal, from) => `${from} said ${signal}`);
    assertEquals(await a.send("b", "hello"), { kind: "answered", answer: "a said hello" });
  });

  it("waits for an answer that takes its time", async (a, b) => {
    b.receive(async (signal) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return signal;
    });
    assertEquals(await a.send("b", "x"), { kind: "answered", answer: "x" });
  });

  it("gives each of many its own answer, and keeps their order", async (a, b) => {
    const heard: string[] = [];
    b.receive((signal) => {
      heard.push(signal);
      return `${signal}!`;
    });
    const signals = Array.from({ length: 250 }, (_, i) => `${i}`);
    const deliveries = await Promise.all(signals.map((signal) => a.send("b", signal)));
    assertEquals(deliveries, signals.map((signal) => ({ kind: "answered", answer: `${signal}!` })));
    assertEquals(heard, signals);
  });

  it("lets two ask each other while they answer", async (a, b) => {
    a.receive((signal) => `${signal} at a`);
    b.receive(async (signal) => {
      const back = await b.send("a", signal);
      return back.kind === "answered" ? `${back.answer}, then at b` : back.kind;
    });
    assertEquals(await a.send("b", "x"), { kind: "answered", answer: "x at a, then at b" });
  });

  it("says that nobody has it who is not there", async (a) => {
    assertEquals(await a.send("nobody", "x"), { kind: "undelivered" });
  });

  it("says that nobody has it who has closed", async (a, b) => {
    b.receive((signal) => signal);
    await a.send("b", "x");
    b.close();
    assertEquals(await a.send("b", "y"), { kind: "undelivered" });
  });

  it("says that it does not know what came of it, when the receiver fails", async (a, b) => {
    b.receive(() => Promise.reject(new Error("a mistake")));
    assertEquals(await a.send("b", "x"), { kind: "unknown" });
  });

  it("carries any text", async (a, b) => {
    const text = `"\\\n\r\0é${"x".repeat(100_000)}`;
    b.receive((signal) => signal);
    assertEquals(await a.send("b", text), { kind: "answered", answer: text });
  });
}
