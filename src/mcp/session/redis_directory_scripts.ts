/**
 * What the session directory has Redis do: each step is one script on one key.
 *
 * A record is a hash: `base`, `owner`, `touched`, `end` (milliseconds), and `up:<slug>` per upstream
 * server, which is generation, a space, value. An index is a sorted set of keys by the time at
 * which their sessions are over.
 *
 * @module
 */
import { redisScript, TIME_LUA } from "../../platform/redis.ts";

/** How long a record is kept that is over, for somebody to take it out. */
const TAKEN_WITHIN_MS = 10 * 60_000;

const RECORD_LUA = `${TIME_LUA}
local function deadline(idle)
  local found = redis.call('HMGET', KEYS[1], 'touched', 'end')
  local touched, last = tonumber(found[1] or ''), tonumber(found[2] or '')
  if not touched or not last then return nil end
  return math.min(touched + idle, last)
end
local function isLive(now, idle)
  local at = deadline(idle)
  return at ~= nil and at > now
end
local function content(out)
  local all = redis.call('HGETALL', KEYS[1])
  local base = ''
  for i = 1, #all, 2 do
    if all[i] == 'base' then base = all[i + 1] end
  end
  table.insert(out, base)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 3) == 'up:' then
      table.insert(out, all[i])
      table.insert(out, all[i + 1])
    end
  end
  return out
end
`;

/** On an owner's index: notes one more session, and gives when it will be over; 0 for too many. */
export const COUNT = redisScript(`${TIME_LUA}
local now, idle = time(ARGV[2]), tonumber(ARGV[3])
local at = now + math.min(idle, tonumber(ARGV[4]))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
if redis.call('ZADD', KEYS[1], 'NX', at, ARGV[1]) == 0 then return 0 end
redis.call('PEXPIRE', KEYS[1], idle + ${TAKEN_WITHIN_MS})
return at
`);

/** Notes when a session will be over; one that is not new only if it is still there. */
export const INDEX = redisScript(`
redis.call('ZADD', KEYS[1], ARGV[3] == '1' and 'NX' or 'XX', ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[4]) + ${TAKEN_WITHIN_MS})
`);

export const UNINDEX = redisScript("redis.call('ZREM', KEYS[1], ARGV[1])");

export const LIST = redisScript("return redis.call('ZRANGE', KEYS[1], 0, -1)");

export const OVERDUE = redisScript(`${TIME_LUA}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time(ARGV[1]), 'LIMIT', 0, ARGV[2])
`);

/** Whether there was none. */
export const CREATE = redisScript(`${RECORD_LUA}
local now, idle, life = time(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if isLive(now, idle) then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'base', ARGV[5], 'owner', ARGV[4], 'touched', now, 'end', now + life)
redis.call('PEXPIRE', KEYS[1], math.min(idle, life) + ${TAKEN_WITHIN_MS})
return 1
`);

/** Gives the base, then names and values of the fields. */
export const FIND = redisScript(`${RECORD_LUA}
if not isLive(time(ARGV[1]), tonumber(ARGV[2])) then return false end
return content({})
`);

/** Gives the field that stands afterwards. */
export const SWAP = redisScript(`${RECORD_LUA}
if not isLive(time(ARGV[1]), tonumber(ARGV[2])) then return false end
local standing = redis.call('HGET', KEYS[1], ARGV[3])
local generation = standing and tonumber(string.match(standing, '^(%d+) ')) or 0
if generation ~= tonumber(ARGV[4]) then return { standing } end
local value = string.format('%d ', generation + 1) .. ARGV[5]
redis.call('HSET', KEYS[1], ARGV[3], value)
return { value }
`);

/** Gives owner and the time at which it will be over. */
export const TOUCH = redisScript(`${RECORD_LUA}
local now, idle = time(ARGV[1]), tonumber(ARGV[2])
if not isLive(now, idle) then return false end
redis.call('HSET', KEYS[1], 'touched', now)
local at = deadline(idle)
redis.call('PEXPIRE', KEYS[1], at - now + ${TAKEN_WITHIN_MS})
return { redis.call('HGET', KEYS[1], 'owner'), string.format('%d', at) }
`);

/** Gives the owner. */
export const REMOVE = redisScript(`
local owner = redis.call('HGET', KEYS[1], 'owner')
if not owner then return false end
redis.call('UNLINK', KEYS[1])
return { owner }
`);

/** Gives 0, the owner and the content of one that is over, else its time and owner. */
export const TAKE = redisScript(`${RECORD_LUA}
local idle = tonumber(ARGV[2])
local at = deadline(idle)
if not at then return false end
local owner = redis.call('HGET', KEYS[1], 'owner')
if at > time(ARGV[1]) then return { string.format('%d', at), owner } end
local out = content({ '0', owner })
redis.call('UNLINK', KEYS[1])
return out
`);

/** Gives base and time of the last use. */
export const LISTED = redisScript(`${RECORD_LUA}
if not isLive(time(ARGV[1]), tonumber(ARGV[2])) then return false end
return redis.call('HMGET', KEYS[1], 'base', 'touched')
`);
