/**
 * Runs the gateway's scripts as Redis does: in Lua 5.1, with `KEYS`, `ARGV` and `redis.call`.
 *
 * @module
 * @see https://redis.io/docs/latest/develop/programmability/lua-api/
 */
import { LuaApi } from "wasmoon-lua5.1";
import { numberText, type RedisValue } from "./commands.ts";
import { RedisError } from "./keyspace.ts";

/** Carries out one command. @throws {RedisError} */
export type Call = (command: readonly string[]) => RedisValue;

/** @throws {RedisError} for whatever the script fails with */
export type RunScript = (
  text: string,
  keys: readonly string[],
  args: readonly string[],
  call: Call,
) => RedisValue;

/** What the machine offers beside its typed part: bytes go in and out without being decoded. */
interface Machine {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  readonly addFunction: (fn: (state: number) => number, signature: string) => number;
  readonly _malloc: (bytes: number) => number;
  readonly _luaL_ref: (state: number, table: number) => number;
  readonly _lua_createtable: (state: number, list: number, named: number) => void;
  readonly _lua_error: (state: number) => number;
  readonly _lua_gettop: (state: number) => number;
  readonly _lua_pcall: (state: number, args: number, results: number, handler: number) => number;
  readonly _lua_pushboolean: (state: number, value: number) => void;
  readonly _lua_pushcclosure: (state: number, fn: number, upvalues: number) => void;
  readonly _lua_pushlstring: (state: number, at: number, bytes: number) => void;
  readonly _lua_pushnumber: (state: number, value: number) => void;
  readonly _lua_rawgeti: (state: number, table: number, at: number) => void;
  readonly _lua_rawseti: (state: number, table: number, at: number) => void;
  readonly _lua_settop: (state: number, top: number) => void;
  readonly _lua_toboolean: (state: number, at: number) => number;
  readonly _lua_tolstring: (state: number, at: number, length: number) => number;
  readonly _lua_tonumber: (state: number, at: number) => number;
  readonly _lua_type: (state: number, at: number) => number;
}

const REGISTRY = -10_000;
/** Larger than whatever a script is given or gives at once. */
const BUFFER_BYTES = 1024 * 1024;
const [NIL, BOOLEAN, NUMBER, STRING, TABLE] = [0, 1, 3, 4, 5];

/** Whole numbers have 32 bits here and 64 in Redis: they are written as numbers with a fraction. */
const PRELUDE = `
local format = string.format
string.format = function(text, ...)
  return format((string.gsub(text, '%%(0?%d*)d', '%%%1.0f')), ...)
end
`;

/** One interpreter, which many may use: a script keeps nothing. */
export async function createLua(): Promise<RunScript> {
  const api = await LuaApi.initialize();
  const lua = api.module as unknown as Machine;
  const state = api.luaL_newstate() as unknown as number;
  api.luaL_openlibs(state as never);
  const buffer = lua._malloc(BUFFER_BYTES);
  const lengthAt = lua._malloc(8);
  const compiled = new Map<string, number>();
  let call: Call = () => null;

  function pushText(text: string): void {
    if (text.length > BUFFER_BYTES) throw new RedisError("ERR more than a fake Redis takes");
    const heap = lua.HEAPU8;
    for (let i = 0; i < text.length; i++) heap[buffer + i] = text.charCodeAt(i);
    lua._lua_pushlstring(state, buffer, text.length);
  }

  function textAt(at: number): string {
    const start = lua._lua_tolstring(state, at, lengthAt);
    const length = lua.HEAPU32[lengthAt >> 2]!;
    const heap = lua.HEAPU8;
    let text = "";
    for (let i = 0; i < length; i++) text += String.fromCharCode(heap[start + i]!);
    return text;
  }

  function pushList(values: readonly RedisValue[]): void {
    lua._lua_createtable(state, values.length, 0);
    values.forEach((value, i) => {
      push(value);
      lua._lua_rawseti(state, -2, i + 1);
    });
  }

  /** As a script sees what a command gives. */
  function push(value: RedisValue): void {
    if (value === null) lua._lua_pushboolean(state, 0);
    else if (typeof value === "number") lua._lua_pushnumber(state, value);
    else if (typeof value === "string") pushText(value);
    else if (Array.isArray(value)) pushList(value);
    else pushText((value as { readonly ok: string }).ok);
  }

  /** As a client sees what a script gives: a list ends before the first nothing. */
  function valueAt(at: number): RedisValue {
    const type = lua._lua_type(state, at);
    if (type === STRING) return textAt(at);
    if (type === NUMBER) return Math.trunc(lua._lua_tonumber(state, at));
    if (type === BOOLEAN) return lua._lua_toboolean(state, at) === 1 ? 1 : null;
    if (type !== TABLE) return null;
    const values: RedisValue[] = [];
    for (;;) {
      lua._lua_rawgeti(state, at, values.length + 1);
      const isEnd = lua._lua_type(state, -1) === NIL;
      if (!isEnd) values.push(valueAt(lua._lua_gettop(state)));
      lua._lua_settop(state, -2);
      if (isEnd) return values;
    }
  }

  function command(): string[] {
    return Array.from({ length: lua._lua_gettop(state) }, (_, i) => {
      const isNumber = lua._lua_type(state, i + 1) === NUMBER;
      return isNumber ? numberText(lua._lua_tonumber(state, i + 1)) : textAt(i + 1);
    });
  }

  const called = lua.addFunction(() => {
    let failure: string;
    try {
      push(call(command()));
      return 1;
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      failure = error.message;
    }
    pushText(failure);
    return lua._lua_error(state);
  }, "ii");
  lua._lua_createtable(state, 0, 1);
  lua._lua_pushcclosure(state, called, 0);
  api.lua_setfield(state as never, -2, "call");
  api.lua_setglobal(state as never, "redis");

  function check(status: number): void {
    if (status === 0) return;
    const message = textAt(-1);
    lua._lua_settop(state, 0);
    throw new RedisError(message);
  }

  function load(text: string): number {
    const wrapped = `return function(KEYS, ARGV)\n${text}\nend`;
    check(api.luaL_loadstring(state as never, wrapped) as unknown as number);
    check(lua._lua_pcall(state, 0, 1, 0));
    const known = lua._luaL_ref(state, REGISTRY);
    compiled.set(text, known);
    return known;
  }

  check(api.luaL_loadstring(state as never, PRELUDE) as unknown as number);
  check(lua._lua_pcall(state, 0, 0, 0));
  return (text, keys, args, calling) => {
    call = calling;
    lua._lua_rawgeti(state, REGISTRY, compiled.get(text) ?? load(text));
    pushList(keys);
    pushList(args);
    check(lua._lua_pcall(state, 2, 1, 0));
    const value = valueAt(lua._lua_gettop(state));
    lua._lua_settop(state, 0);
    return value;
  };
}
