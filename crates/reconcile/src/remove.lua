-- Rollcall: takes a user from a node's set of users, unless it was added again later. Version 1.
-- KEYS[1]  {node}:u  sorted set: user -> seq of its adding (ZADD GT)
-- ARGV     1 user  2 seq ('inf' for a dead node)
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) <= (ARGV[2] == 'inf' and math.huge or tonumber(ARGV[2])) then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1
