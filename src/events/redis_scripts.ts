/**
 * What the Redis event store has Redis do: each step is one script, so that it is done as a whole.
 *
 * All keys of a session are in one slot. `streams` lists the ids of its streams in the order of
 * their opening. A stream is a hash, `stream:<id>`; `events:<id>` lists the newest events, without
 * a hole up to the last one, and `kept:<id>` responses that are older than those, with numbers.
 *
 * A value of `events` is `r` or `n` (response or not), the time in 13 digits, and the sealed
 * message; in `kept` its number stands before that, in 10 digits.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { redisKey, redisScript, type Reply, TIME_LUA } from "../platform/redis.ts";
import { SEAL_BYTES } from "../platform/secret_box.ts";
import { type StreamId, type StreamSession, WRITER } from "./store.ts";

const KIND_BYTES = 1;
const TIME_BYTES = 13;
const SEQ_BYTES = 10;
const HEAD_BYTES = KIND_BYTES + TIME_BYTES;

/** What an event and a stream hold beside their messages, roughly: for `totalBytesMax`. */
const EVENT_BYTES = 256;
export const STREAM_BYTES = 1024;

/** Begins every key of a session. */
export function sessionPrefix(session: StreamSession): string {
  return redisKey(session, "");
}

/** The keys that a script on one stream takes. */
export function streamKeys(session: StreamSession, id: StreamId): readonly string[] {
  const prefix = sessionPrefix(session);
  return [`${prefix}stream:${id}`, `${prefix}events:${id}`, `${prefix}kept:${id}`];
}

export function channelOf(session: StreamSession, id: StreamId): string {
  return `${sessionPrefix(session)}news:${id}`;
}

/** `find` leaves out what is over its time and still there: Redis is not that exact. */
const FIND_LUA = `${TIME_LUA}
local function isOfCall(runner)
  return runner ~= '' and string.sub(runner, 1, 1) ~= '${WRITER}'
end
local function find(key, now, ttl)
  local found = redis.call('HMGET', key, 'last', 'ended', 'at', 'runner', 'bytes')
  if not found[1] then return nil end
  local stream = {
    last = tonumber(found[1]), isEnded = found[2] == '1', runner = found[4],
    bytes = tonumber(found[5]),
  }
  local isForCalls = stream.isEnded or isOfCall(stream.runner)
  if isForCalls and tonumber(found[3]) + ttl <= now then return nil end
  return stream
end
local function prolong(key, stream, ttl, live)
  local isForCalls = stream.isEnded or isOfCall(stream.runner)
  redis.call('PEXPIRE', key, isForCalls and ttl or math.max(ttl, live))
end
`;

const FORGET_LUA = `
local function forget(prefix, id)
  redis.call('UNLINK', prefix .. 'stream:' .. id, prefix .. 'events:' .. id, prefix .. 'kept:' .. id)
  redis.call('LREM', prefix .. 'streams', 1, id)
  redis.call('PUBLISH', prefix .. 'news:' .. id, '')
end
`;

/** Gives 0 when it was there, else the ids of streams that had to make room. */
export const OPEN = redisScript(`${FIND_LUA}${FORGET_LUA}
local prefix, id, runner, note = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now, ttl, live, max = time(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if find(KEYS[1], now, ttl) then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'last', 0, 'at', now, 'runner', runner, 'note', note, 'bytes', 0)
prolong(KEYS[1], { runner = runner }, ttl, live)
redis.call('LREM', KEYS[4], 1, id)
local count = redis.call('RPUSH', KEYS[4], id)
redis.call('PEXPIRE', KEYS[4], math.max(ttl, live))
local forgotten = {}
if count <= max then return forgotten end
for _, other in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
  local state = redis.call('HMGET', prefix .. 'stream:' .. other, 'last', 'ended')
  if not state[1] or state[2] == '1' then
    forget(prefix, other)
    table.insert(forgotten, other)
    count = count - 1
    if state[1] or count <= max then break end
  end
end
return forgotten
`);

/** Gives the last number and what the stream holds; nil when nothing was kept. */
export const APPEND = redisScript(`${FIND_LUA}
local now, ttl, live = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local eventsMax, bytesMax = tonumber(ARGV[4]), tonumber(ARGV[5])
local isRun, runner, hasPlace, place, isEnd = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local channel, writer, known = ARGV[11], ARGV[12], tonumber(ARGV[13])
local stream = find(KEYS[1], now, ttl)
if not stream or stream.isEnded or (isRun == '1' and runner ~= stream.runner) then return false end
-- What a server that failed over has forgotten is a hole: no number is used again.
local last = stream.last
if last < known then
  last, stream.bytes = known, 0
  redis.call('UNLINK', KEYS[2])
end
local stamp = string.format('%0${TIME_BYTES}d', now)
local bytes = stream.bytes
local function lengthOf(value) return #value - ${HEAD_BYTES + SEAL_BYTES} end
local function timeOf(value, at) return tonumber(string.sub(value, at, at + ${TIME_BYTES - 1})) end
for i = 14, #ARGV, 2 do
  local value = ARGV[i] .. stamp .. ARGV[i + 1]
  redis.call('RPUSH', KEYS[2], value)
  bytes = bytes + lengthOf(value)
  last = last + 1
end
local count = redis.call('LLEN', KEYS[2])
if count == (#ARGV - 13) / 2 then
  bytes = 0
  for i = 15, #ARGV, 2 do bytes = bytes + #ARGV[i] - ${SEAL_BYTES} end
end
while count > 0 do
  local oldest = redis.call('LINDEX', KEYS[2], 0)
  local isOver = timeOf(oldest, ${KIND_BYTES + 1}) + ttl <= now
  if count <= eventsMax and bytes <= bytesMax and not isOver then break end
  redis.call('LPOP', KEYS[2])
  count = count - 1
  bytes = bytes - lengthOf(oldest)
  if string.sub(oldest, 1, 1) == 'r' and not isOver then
    redis.call('RPUSH', KEYS[3], string.format('%0${SEQ_BYTES}d', last - count) .. oldest)
  end
end
local held = bytes + ${EVENT_BYTES} * count + ${STREAM_BYTES}
if redis.call('LLEN', KEYS[3]) > 0 then
  while true do
    local oldest = redis.call('LINDEX', KEYS[3], 0)
    if not oldest or timeOf(oldest, ${SEQ_BYTES + KIND_BYTES + 1}) + ttl > now then break end
    redis.call('LPOP', KEYS[3])
  end
  for _, value in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do held = held + #value + ${EVENT_BYTES} end
end
redis.call('HSET', KEYS[1], 'last', last, 'at', now, 'bytes', bytes)
if hasPlace == '1' then redis.call('HSET', KEYS[1], 'place', place) end
if isEnd == '1' then
  stream.isEnded = true
  redis.call('HSET', KEYS[1], 'ended', '1')
end
prolong(KEYS[1], stream, ttl, live)
if #ARGV > 13 or isEnd == '1' then
  redis.call('PEXPIRE', KEYS[2], ttl)
  redis.call('PEXPIRE', KEYS[3], ttl)
end
redis.call('PUBLISH', channel, last .. ' ' .. isEnd .. ' ' .. writer)
return { last, held }
`);

/** Gives runner, note, place, last number and whether it has ended. */
export const FIND = redisScript(`${FIND_LUA}
local stream = find(KEYS[1], time(ARGV[1]), tonumber(ARGV[2]))
if not stream then return false end
local found = redis.call('HMGET', KEYS[1], 'note', 'place')
return { stream.runner, found[1], found[2], stream.last, stream.isEnded and 1 or 0 }
`);

/** Gives the last number, whether it has ended, and numbers and sealed messages in turns. */
export const REPLAY = redisScript(`${FIND_LUA}
local now, ttl, after, max = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local stream = find(KEYS[1], now, ttl)
if not stream then return false end
local out = { stream.last, stream.isEnded and 1 or 0 }
local bytes, isFull = 0, false
local function give(seq, value, from)
  local at = tonumber(string.sub(value, from + 1, from + ${TIME_BYTES}))
  if isFull or (at + ttl <= now and not stream.isEnded) then return end
  bytes = bytes + #value - from - ${TIME_BYTES + SEAL_BYTES}
  isFull = #out > 2 and bytes > max
  if isFull then return end
  table.insert(out, seq)
  table.insert(out, string.sub(value, from + ${TIME_BYTES + 1}))
end
for _, value in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  local seq = tonumber(string.sub(value, 1, ${SEQ_BYTES}))
  if seq > after then give(seq, value, ${SEQ_BYTES + KIND_BYTES}) end
end
local count = redis.call('LLEN', KEYS[2])
local first = stream.last - count + 1
local at = math.max(0, after - first + 1)
while at < count and not isFull do
  local values = redis.call('LRANGE', KEYS[2], at, at + 63)
  for i, value in ipairs(values) do give(first + at + i - 1, value, ${KIND_BYTES}) end
  at = at + #values
end
return out
`);

/** Whether it has moved. */
export const CLAIM = redisScript(`${FIND_LUA}
local now, ttl, live = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stream = find(KEYS[1], now, ttl)
if not stream or stream.isEnded or stream.runner ~= ARGV[4] then return 0 end
stream.runner = ARGV[5]
redis.call('HSET', KEYS[1], 'runner', ARGV[5], 'at', now)
prolong(KEYS[1], stream, ttl, live)
return 1
`);

/** Gives the ids of those that were there. */
export const ERASE = redisScript(`${FORGET_LUA}
local ids = redis.call('LRANGE', KEYS[1], 0, -1)
for _, id in ipairs(ids) do forget(ARGV[1], id) end
return ids
`);

/** Of one stream, when all hold too much. */
export const FORGET = redisScript(`${FORGET_LUA}
forget(ARGV[1], ARGV[2])
return 1
`);

export function textOf(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString() : String(reply ?? "");
}

export function listOf(reply: Reply): readonly Reply[] | undefined {
  return Array.isArray(reply) ? reply : undefined;
}
