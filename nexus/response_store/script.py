"""The operations of ``local`` as Lua scripts for Redis, each one atomic step.

The same bounds and order of eviction. All keys are in one slot of a cluster: the one key that a script gets ends in a
hash tag, and all others begin with it. ``order`` holds when each answer expires, and so which was used last; ``sizes``
its bytes and payer; ``sums`` the bytes of each payer, with the total as ``*``. If Redis loses some of these they
correct themselves in time, because every key has a time to live.
"""

from __future__ import annotations

OVERHEAD = 600
"""Bytes that an answer takes in addition to its data."""

_COMMON = """
local base = KEYS[1]
local order, sizes, sums = base .. ':order', base .. ':sizes', base .. ':sums'
local now, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local ends = string.format('%.0f', now + ttl)
local lasts = string.format('%.0f', ttl)

local function of(payer) return base .. ':of:' .. payer end
local function value(key) return base .. ':v:' .. key end

local function add(payer, amount)
  if redis.call('HINCRBY', sums, payer, amount) <= 0 then redis.call('HDEL', sums, payer) end
end

local function drop(key)
  local there = redis.call('HGET', sizes, key)
  redis.call('ZREM', order, key)
  redis.call('HDEL', sizes, key)
  if there then
    local colon = string.find(there, ':', 1, true)
    local size, payer = tonumber(string.sub(there, 1, colon - 1)), string.sub(there, colon + 1)
    redis.call('ZREM', of(payer), key)
    add(payer, -size)
    add('*', -size)
  end
  return redis.call('DEL', value(key))
end

local function oldest(set) return redis.call('ZRANGE', set, 0, 0)[1] end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', string.format('%.0f', now))) do drop(key) end
if redis.call('EXISTS', order) == 0 then redis.call('DEL', sizes, sums) end

local function use(key, payer)
  redis.call('ZADD', order, ends, key)
  redis.call('ZADD', of(payer), ends, key)
  for _, index in ipairs({order, sizes, sums, of(payer)}) do redis.call('PEXPIRE', index, lasts) end
end
"""

KEEP = (
    _COMMON
    + """
-- ARGV: now or '', time to live; most bytes of all, and of each payer; key, payer, data, overhead.
local most, most_each = tonumber(ARGV[3]), tonumber(ARGV[4])
local key, payer, data = ARGV[5], ARGV[6], ARGV[7]
local size = #data + tonumber(ARGV[8])
drop(key)
if size > most_each then return 0 end

local function make_room(set, name, limit)
  while (tonumber(redis.call('HGET', sums, name)) or 0) + size > limit do
    local first = oldest(set)
    if not first then
      redis.call('HDEL', sums, name)
      return
    end
    drop(first)
    redis.call('ZREM', set, first)
  end
end
make_room(of(payer), payer, most_each)
make_room(order, '*', most)
redis.call('HSET', sizes, key, size .. ':' .. payer)
redis.call('HINCRBY', sums, payer, size)
redis.call('HINCRBY', sums, '*', size)
use(key, payer)
redis.call('SET', value(key), data, 'PX', lasts)
return 1
"""
).strip()

FIND = (
    _COMMON
    + """
-- ARGV: now or '', time to live; keys. Reply: the data of each, or nothing for it.
local found = {}
for i = 3, #ARGV do
  local key = ARGV[i]
  local data, there = redis.call('GET', value(key)), redis.call('HGET', sizes, key)
  if data and there then
    use(key, string.sub(there, string.find(there, ':', 1, true) + 1))
    redis.call('PEXPIRE', value(key), lasts)
  end
  found[i - 2] = there and data
end
return found
"""
).strip()

FORGET = (
    _COMMON
    + """
-- ARGV: now or '', time to live; key. Reply: the number of answers deleted.
return drop(ARGV[3])
"""
).strip()
