-- Rollcall: says a node's sessions of one user, and gives the whole list back. Version 1.
-- The same script reaps: with an empty node id it only drops what is dead.
--
-- KEYS[1]  {user}:s  hash: session id -> "<node> <seq> <item>"
-- KEYS[2]  {user}:r  hash: "r" -> revision; "n<node>" -> last seq of that node, or "x<µs>": the id is dead, and nothing is
--          taken from it until then. A key of its own, since it has to outlive the last session: a revision that is missing
--          means that data was lost, and a late write of an earlier set must find the later seq.
-- ARGV     1 node ('' to reap)  2 seq  3 part (from 0)  4 is last part ('1')  5 highest revision told by the caller
--          6 cap (0 for none)  7 how long key 2 outlives the last session, and a dead id is refused, in ms
--          8 number of dead ids, then these; then for each session: id, '1' if it is a join, item
-- gives    { revision before ('0' for none), revision now, '1' if nothing was written for it came too late,
--            { session, value, session, value, … }, { refused session, … } }
--
-- A node id has no space in it; an item may hold any bytes. Touches only keys of one slot. Time is Redis's own.

local sessions, meta = KEYS[1], KEYS[2]
local node, seq, part, is_last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local highest, cap, keep_ms, dead_count = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

-- Numbers above 10^14 lose digits in tostring, in .. and in cjson; %.0f gives all of a whole number up to 2^53.
local function whole(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local before = 0
local fence = nil
local ended = {} -- dead marks whose time is over
local marks = redis.call('HGETALL', meta)
for i = 1, #marks, 2 do
  local name, value = marks[i], marks[i + 1]
  if name == 'r' then
    before = tonumber(value)
  elseif string.sub(value, 1, 1) == 'x' and tonumber(string.sub(value, 2)) < now then
    ended[#ended + 1] = name
  elseif name == 'n' .. node then
    fence = value
  end
end

local is_stale = false
if node ~= '' then
  if fence == nil then
    is_stale = part > 0 -- the parts before it have been lost
  elseif string.sub(fence, 1, 1) == 'x' then
    is_stale = true
  elseif part == 0 then
    is_stale = seq <= tonumber(fence)
  else
    is_stale = seq ~= tonumber(fence)
  end
end

local function list()
  return redis.call('HGETALL', sessions)
end

if is_stale then
  return { whole(before), whole(before), '1', list(), {} }
end

local dead = {}
for i = 9, 8 + dead_count do
  dead[ARGV[i]] = true
end
local first_field = 9 + dead_count
local named = {}
for i = first_field, #ARGV, 3 do
  named[ARGV[i]] = true
end

-- What has gone goes first, so that the cap is judged of what stays.
local has_changed = false
local count = 0
local own = {} -- session -> item, of this node as it was
local listed = {} -- sessions that stay -> seq, of other nodes
local old = list()
for i = 1, #old, 2 do
  local session, value = old[i], old[i + 1]
  local of, of_seq, item = string.match(value, '^(%S+) (%d+) (.*)$')
  local is_gone = of == nil or dead[of]
    or (of == node and is_last and tonumber(of_seq) < seq and not named[session])
  if is_gone then
    redis.call('HDEL', sessions, session)
    has_changed = true
  else
    count = count + 1
    if of == node then
      own[session] = item
      listed[session] = 0
    else
      listed[session] = tonumber(of_seq)
    end
  end
end

local refused = {}
local prefix = node .. ' ' .. whole(seq) .. ' '
for i = first_field, #ARGV, 3 do
  local session, is_join, item = ARGV[i], ARGV[i + 1] == '1', ARGV[i + 2]
  if is_join and not listed[session] and cap > 0 and count >= cap then
    refused[#refused + 1] = session
  elseif (listed[session] or 0) <= seq then -- else a later life of the same node has said it: this one comes late
    if own[session] ~= item then
      has_changed = true
    end
    -- Also when it is the same: the seq tells the last part which ones were named.
    redis.call('HSET', sessions, session, prefix .. item)
    if not listed[session] then
      listed[session] = 0
      count = count + 1
    end
  end
end

for _, name in ipairs(ended) do
  redis.call('HDEL', meta, name)
end
if node ~= '' then
  redis.call('HSET', meta, 'n' .. node, whole(seq))
end
local until_us = 'x' .. whole(now + keep_ms * 1000)
for id in pairs(dead) do
  redis.call('HSET', meta, 'n' .. id, until_us)
end

-- The same revision when nothing has changed: a node that only asks must not make the others ask.
local revision = before
if has_changed or (highest > before and count > 0) then
  revision = math.max(before + 1, highest + 1, now)
  redis.call('HSET', meta, 'r', whole(revision))
end
if count == 0 then
  redis.call('PEXPIRE', meta, keep_ms)
else
  redis.call('PERSIST', meta)
end

return { whole(before), whole(revision), '0', list(), refused }
