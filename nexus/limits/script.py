"""The sliding window of ``window`` as two Lua scripts for Redis.

The arithmetic is the same to the microsecond; one conformance suite tests both. One quota is one hash: a field for each
bucket holds "last:sum", and ``g`` (its generation) distinguishes it from one that Redis lost. A reservation is a key of
its own, with the bucket and the generation of each quota. Its settlement deletes that key, so a settlement that arrives
twice counts once. A script is one atomic step over all its keys; it uses the server's time, unless a test gives one.
Numbers are formatted with ``%.0f``, because Lua writes large ones as 1.8e+15.
"""

from __future__ import annotations

_COMMON = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function read(key, interval)
  local state = {total = 0, newest = 0, live = {}, dead = {}, sums = {}}
  local raw = redis.call('HGETALL', key)
  for j = 1, #raw, 2 do
    local field, value = raw[j], raw[j + 1]
    if field == 'g' then
      state.generation = value
    else
      local colon = string.find(value, ':', 1, true)
      local last, sum = tonumber(string.sub(value, 1, colon - 1)), tonumber(string.sub(value, colon + 1))
      if last + interval > now then
        state.total = state.total + sum
        state.live[#state.live + 1] = {last, sum}
        state.sums[field] = {last, sum}
        if last > state.newest then state.newest = last end
      else
        state.dead[#state.dead + 1] = field
      end
    end
  end
  return state
end

local function write(key, state, interval, width, amount, generation, at)
  local bucket = string.format('%.0f', (at - at % width) / width)
  local there = state.sums[bucket]
  local last, sum = at, amount
  if there then
    last, sum = math.max(at, there[1]), there[2] + amount
  end
  if #state.dead > 0 then redis.call('HDEL', key, unpack(state.dead)) end
  if not state.generation then
    state.generation = generation
    redis.call('HSET', key, 'g', generation)
  end
  redis.call('HSET', key, bucket, string.format('%.0f:%.0f', last, sum))
  -- As long as a local copy of the window can count anything, and a little more.
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((interval + width) / 1000) + 1000))
  return bucket
end
"""

RESERVE = (
    _COMMON
    + """
-- KEYS: those of the quotas, and that of the reservation.
-- ARGV: now or '', a fresh generation; then for each quota: limit, interval, width, amount, the least that must be
-- left, how long ago it counts as taken.
-- Reply: 1 if all demands are met, now; then for each quota: generation, used, newest, wait (-1 for never).
local count = (#ARGV - 2) / 6
-- After which a reservation may be forgotten, in milliseconds: no call takes so long.
local DAY = 86400000
local states, reply, granted, reserved = {}, {1, now}, true, {}

local function wait(state, limit, interval, amount)
  if amount > limit then return -1 end
  local excess = state.total + amount - limit
  if excess <= 0 then return 0 end
  table.sort(state.live, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(state.live) do
    excess = excess - entry[2]
    if excess <= 0 then return entry[1] + interval - now end
  end
  return -1
end

for i = 1, count do
  local at = 2 + (i - 1) * 6
  local limit, interval, needed = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 5])
  local state = read(KEYS[i], interval)
  state.wait = wait(state, limit, interval, needed)
  granted = granted and state.wait == 0
  states[i] = state
end
if not granted then reply[1] = 0 end
for i = 1, count do
  local at, state = 2 + (i - 1) * 6, states[i]
  if granted then
    local amount, taken = tonumber(ARGV[at + 4]), now - tonumber(ARGV[at + 6])
    local bucket = write(KEYS[i], state, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), amount, ARGV[2], taken)
    reserved[i] = bucket .. ' ' .. state.generation
    state.total, state.newest = state.total + amount, taken
  end
  reply[#reply + 1] = state.generation or ''
  reply[#reply + 1] = state.total
  reply[#reply + 1] = state.newest
  reply[#reply + 1] = state.wait
end
if granted and count > 0 then redis.call('SET', KEYS[count + 1], table.concat(reserved, ' '), 'PX', DAY) end
return reply
"""
).strip()

SETTLE = (
    _COMMON
    + """
-- KEYS: for each settlement, those of its quotas, then that of the reservation.
-- ARGV: now or '', a fresh generation; then for each settlement: 1 if it may have arrived before or else 0, the number
-- of quotas; then for each of these: interval, width, amount reserved, true amount, how long ago it was reserved.
local key, at = 1, 2
while key <= #KEYS do
  local repeated, count = ARGV[at + 1] == '1', tonumber(ARGV[at + 2])
  local reserved = redis.call('GET', KEYS[key + count])
  if reserved then redis.call('DEL', KEYS[key + count]) end
  local words = string.gmatch(reserved or '', '%S+')
  at = at + 2
  for i = key, key + count - 1 do
    local interval, width, before = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local amount, ago = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local bucket, generation = words(), words()
    if reserved and amount ~= before then
      local state = read(KEYS[i], interval)
      local there = state.sums[bucket]
      if there and state.generation == generation then
        local sum = math.max(0, there[2] + amount - before)
        redis.call('HSET', KEYS[i], bucket, string.format('%.0f:%.0f', there[1], sum))
      elseif amount > before then
        write(KEYS[i], state, interval, width, amount - before, ARGV[2], now)
      end
    elseif not reserved and not repeated and amount > 0 then
      write(KEYS[i], read(KEYS[i], interval), interval, width, amount, ARGV[2], now - ago)
    end
    at = at + 5
  end
  key = key + 1 + count
end
return 1
"""
).strip()
