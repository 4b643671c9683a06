-- Rollcall: says a node's sessions of one user, ends sessions of others, and gives the whole list back. Version 3.
-- With an empty node id it drops what is dead, and without dead ids it only reads: nothing is written then.
--
-- KEYS[1]  {user}:s  hash: session id -> "<node> <seq> <order> <login> <item>", or of one that has ended, until its node
--          has taken that in, "<node> <seq> !<why> <until µs>"; node "-" is no node
-- KEYS[2]  {user}:r  hash: "r" -> revision; "n<node>" -> last seq of that node, "<seq> <until µs>" when it has nothing here
--          any more, or "x <until µs>": the id is dead, and nothing is taken from it. A key of its own, since it has to
--          outlive the last session: a revision that is missing means that data was lost, and a late write of an earlier
--          set must find the later seq.
-- ARGV     1 node ('' for none)  2 seq  3 part (from 0)  4 is last part ('1')  5 highest revision told by the caller
--          6 cap of the user ('' for none)  7 cap of a login ('' for none)  8 '1' to evict the oldest, else one more is refused
--          9 how long key 2 outlives the last session and what it says of a node the node, and how long the end of a session
--          that nobody has said is kept, in ms: a late write may arrive so late
--          10 how long the mark of an ended session waits for its node, in ms
--          11 number of dead ids, 12 number of sessions to end; then the former, then the latter; then for each session:
--          id, '1' if it is a join, order, login, id of the session that it replaces ('' for none), item
-- gives    { revision before ('0' for none), revision now, '1' if nothing was written for it came too late,
--            { session, value, session, value, … }, { refused session, … },
--            { session that has ended, why, … }, of this node or just said,
--            { other node of one that has ended, or of which key 1 has lost all, … },
--            { session, value, … } of those that were live until now and whose node is dead }
--
-- Releases side by side may rely on this: a value begins with the node and the seq, and the third word tells its shape,
-- digits a session, "!" the mark of an end. What has another shape is of a later release: it is kept as long as its node
-- lives and names it, not listed, not counted. The shape of the item is no concern of this.
--
-- A node id, a login and a reason have no space in them; an item may hold any bytes. Touches only keys of one slot. Time is
-- Redis's own. What it does grows with the number of fields, and once more with each session that is evicted.

local sessions, meta = KEYS[1], KEYS[2]
local node, seq, part, is_last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local highest, evicts = tonumber(ARGV[5]), ARGV[8] == '1'
local per_user, per_login = tonumber(ARGV[6]) or math.huge, tonumber(ARGV[7]) or math.huge
local most_leaving = 16 -- for one that joins, so that a cap that was lowered holds up nobody
local keep_ms, keep_ended_ms = tonumber(ARGV[9]), tonumber(ARGV[10])
local dead_count, end_count = tonumber(ARGV[11]), tonumber(ARGV[12])
local first_end, first_field = 13 + dead_count, 13 + dead_count + end_count

-- Numbers above 10^14 lose digits in tostring, in .. and in cjson; %.0f gives all of a whole number up to 2^53.
local function whole(number)
  return string.format('%.0f', number)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local before = 0
local fence = nil
local fences = redis.call('HGETALL', meta)
local over = {} -- nodes that are dead or gone, and whose time is over
local here = {} -- other nodes that have said something and not taken it back
for i = 1, #fences, 2 do
  local of, value = fences[i], fences[i + 1]
  local last, until_us = string.match(value, '^(%w+) ?(%d*)$')
  if of == 'r' then
    before = tonumber(value)
  elseif last and until_us ~= '' and tonumber(until_us) < now then
    over[#over + 1] = of
  elseif of == 'n' .. node then
    fence = last
  elseif last and until_us == '' then
    here[#here + 1] = string.sub(of, 2)
  end
end

local names, is_name = {}, {} -- all sessions, in the order of the hash, so that the list has the same one each time
local live = {} -- session -> { of, seq, order, login, item, value }
local ended = {} -- session -> { of, seq, why, until_us }
local unknown = {} -- session -> { of, seq }
local count, of_login = 0, {}

local function name(session)
  if not is_name[session] then
    is_name[session] = true
    names[#names + 1] = session
  end
end

local function add(session, of, of_seq, order, login, item, value)
  local one = { of = of, seq = of_seq, order = order, login = login, item = item, value = value }
  live[session] = one
  count = count + 1
  of_login[login] = (of_login[login] or 0) + 1
end

local function take(session)
  local one = live[session]
  live[session] = nil
  count = count - 1
  of_login[one.login] = of_login[one.login] - 1
  return one
end

local has_changed = false
local old = redis.call('HGETALL', sessions)
for i = 1, #old, 2 do
  local session, value = old[i], old[i + 1]
  name(session)
  local of, of_seq, order, login, item = string.match(value, '^(%S+) (%d+) (%d+) ([^ ]*) (.*)$')
  if of ~= nil then
    add(session, of, tonumber(of_seq), tonumber(order), login, item, value)
  else
    local rest, why, until_us
    of, of_seq, rest = string.match(value, '^(%S+) (%d+) (.*)$')
    why, until_us = string.match(rest or '', '^!(%S+) (%d+)$')
    if why ~= nil then
      ended[session] = { of = of, seq = tonumber(of_seq), why = why, until_us = tonumber(until_us) }
    elseif of ~= nil then
      unknown[session] = { of = of, seq = tonumber(of_seq) }
    end
  end
end
local had_live = count > 0 or next(unknown) ~= nil

local named = {}
for i = first_field, #ARGV, 6 do
  named[ARGV[i]] = true
end

local refused, lost = {}, {}
local function reply(revision, is_stale, robbed)
  local list, ends, owners = {}, {}, robbed or {}
  local is_owner = {}
  for _, session in ipairs(names) do
    local one, mark = live[session], ended[session]
    if one then
      list[#list + 1] = session
      list[#list + 1] = one.value
    elseif mark then
      if mark.of == node or named[session] then
        ends[#ends + 1] = session
        ends[#ends + 1] = mark.why
      end
      if mark.of ~= '-' and mark.of ~= node and not is_owner[mark.of] then
        is_owner[mark.of] = true
        owners[#owners + 1] = mark.of
      end
    end
  end
  return { whole(before), whole(revision), is_stale and '1' or '0', list, refused, ends, owners, lost }
end

if node == '' and dead_count == 0 and end_count == 0 then
  return reply(before, false)
end
local is_stale = false
if node ~= '' then
  if fence == nil then
    is_stale = part > 0 -- the parts before it have been lost
  elseif fence == 'x' then
    is_stale = true
  elseif part == 0 then
    is_stale = seq <= tonumber(fence)
  else
    is_stale = seq ~= tonumber(fence)
  end
end
if is_stale then
  return reply(before, true)
end

local dead = {}
for i = 13, 12 + dead_count do
  dead[ARGV[i]] = true
end

local function mark(session, of, of_seq, why, until_us)
  ended[session] = { of = of, seq = of_seq, why = why, until_us = until_us }
  redis.call('HSET', sessions, session, of .. ' ' .. whole(of_seq) .. ' !' .. why .. ' ' .. whole(until_us))
end

local function finish(session, why)
  local one = take(session)
  mark(session, one.of, one.seq, why, now + keep_ended_ms * 1000)
  has_changed = true
end

-- What has gone goes first, so that the cap is judged of what stays.
for _, session in ipairs(names) do
  local one = live[session] or unknown[session]
  local end_mark = ended[session]
  local of = one or end_mark
  local is_left = of and of.of == node and is_last and of.seq < seq and not named[session]
  if one and (dead[one.of] or is_left) then
    redis.call('HDEL', sessions, session)
    has_changed = has_changed or live[session] ~= nil
    if live[session] then
      if dead[one.of] then
        lost[#lost + 1] = session
        lost[#lost + 1] = one.value
      end
      take(session)
    end
    unknown[session] = nil
  elseif end_mark and (is_left or end_mark.until_us < now) then
    redis.call('HDEL', sessions, session)
    ended[session] = nil
  elseif end_mark and dead[end_mark.of] then
    -- Its process may come back under another id and say it again.
    mark(session, '-', end_mark.seq, end_mark.why, end_mark.until_us)
  elseif not of then
    redis.call('HDEL', sessions, session) -- no release says anything like it
  end
end

for i = first_end, first_field - 1 do
  local session = ARGV[i]
  local one = unknown[session]
  if live[session] then
    finish(session, 'asked')
  elseif one then
    mark(session, one.of, one.seq, 'asked', now + keep_ended_ms * 1000)
    unknown[session] = nil
  elseif not ended[session] then
    -- Redis may have lost it, or taken its node for dead, and its node may say it again.
    name(session)
    mark(session, '-', 0, 'asked', now + keep_ms * 1000)
  end
end

-- By bytes: Lua compares by the locale of the server.
local function is_less(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

local function is_older(session, than)
  local one, other = live[session], live[than]
  return one.order < other.order or (one.order == other.order and is_less(session, than))
end

local function oldest_of_each_login()
  local oldest = {}
  for session, one in pairs(live) do
    local than = oldest[one.login]
    if not than or is_older(session, than) then
      oldest[one.login] = session
    end
  end
  return oldest
end

-- The oldest of the login that has most sessions; of several logins the one that has the oldest.
local function oldest_of_largest_login()
  local most, found = 0, nil
  for login, oldest in pairs(oldest_of_each_login()) do
    local size = of_login[login]
    if size > most or (size == most and is_older(oldest, found)) then
      most, found = size, oldest
    end
  end
  return found
end

-- Lets a session in, and ends whom it replaces and who is too many; false if it may not come in.
local function make_room(login, replaced)
  local one_less = replaced and 1 or 0
  local is_full = count - one_less >= per_user or (of_login[login] or 0) - one_less >= per_login
  if is_full and not (evicts and per_user > 0 and per_login > 0) then
    return false
  end
  local leaving = 0
  if replaced then
    finish(replaced, 'replaced')
    leaving = 1
  end
  while (of_login[login] or 0) >= per_login and leaving < most_leaving do
    finish(oldest_of_each_login()[login], 'evicted')
    leaving = leaving + 1
  end
  while count >= per_user and leaving < most_leaving do
    finish(oldest_of_largest_login(), 'evicted')
    leaving = leaving + 1
  end
  return true
end

local prefix = node .. ' ' .. whole(seq) .. ' '
for i = first_field, #ARGV, 6 do
  local session, is_join, order, login = ARGV[i], ARGV[i + 1] == '1', ARGV[i + 2], ARGV[i + 3]
  local replaced, item = ARGV[i + 4], ARGV[i + 5]
  local of = live[session] or ended[session] or unknown[session]
  local may_replace = replaced ~= session and live[replaced] and live[replaced].login == login
  if of and of.of ~= node and of.seq > seq then
    -- A later life of the same node has said it: this one comes late.
  elseif ended[session] then
    -- It stays ended. The seq tells the last part which ones were named.
    mark(session, node, seq, ended[session].why, now + keep_ended_ms * 1000)
  elseif not of and is_join and not make_room(login, may_replace and replaced) then
    refused[#refused + 1] = session
  else
    if may_replace and live[replaced] then
      finish(replaced, 'replaced')
    end
    local one = live[session]
    if not one or one.of ~= node or one.item ~= item or one.login ~= login or one.order ~= tonumber(order) then
      has_changed = true
    end
    if one then
      take(session)
    end
    name(session)
    -- Also when it is the same, for the seq.
    local value = prefix .. order .. ' ' .. login .. ' ' .. item
    add(session, node, seq, tonumber(order), login, item, value)
    unknown[session] = nil
    redis.call('HSET', sessions, session, value)
  end
end

for _, of in ipairs(over) do
  redis.call('HDEL', meta, of)
end
local until_us = whole(now + keep_ms * 1000)
if node ~= '' then
  local is_here = false
  for _, session in ipairs(names) do
    local one = live[session] or ended[session] or unknown[session]
    is_here = is_here or (one ~= nil and one.of == node)
  end
  redis.call('HSET', meta, 'n' .. node, is_here and whole(seq) or whole(seq) .. ' ' .. until_us)
end
for id in pairs(dead) do
  redis.call('HSET', meta, 'n' .. id, 'x ' .. until_us)
end

-- The same revision when nothing has changed: a node that only asks must not make the others ask.
local revision = before
if has_changed or (highest > before and count > 0) then
  revision = math.max(before + 1, highest + 1, now)
  redis.call('HSET', meta, 'r', whole(revision))
end
if count > 0 or next(unknown) ~= nil then
  redis.call('PERSIST', meta)
  if not had_live then
    redis.call('PERSIST', sessions)
  end
else
  redis.call('PEXPIRE', meta, keep_ms)
  redis.call('PEXPIRE', sessions, math.max(keep_ms, keep_ended_ms)) -- marks only, if anything
end

-- What they have said is gone though nobody has dropped it: somebody has deleted key 1, or put something else there. They
-- are told of the revision, and say it again.
local has_something, robbed = {}, {}
for _, session in ipairs(names) do
  local one = live[session] or ended[session] or unknown[session]
  if one then
    has_something[one.of] = true
  end
end
for _, of in ipairs(here) do
  if not has_something[of] and not dead[of] then
    robbed[#robbed + 1] = of
  end
end
return reply(revision, false, robbed)
