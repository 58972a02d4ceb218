-- Counts one request in all its tiers, or in none; see rate_limit.py.
-- KEYS: the steps of each tier, the newest step first. To count the request, one more key: its id. If
-- that key exists, the request has been counted already: the client repeats the command because it
-- received no reply.
-- ARGV: steps of a tier, seconds to keep a step, seconds to keep the id, one limit for each tier.
-- Returns 1 if the request passes, otherwise 0, then the counts without this request.
local steps = tonumber(ARGV[1])
local tiers = #ARGV - 3
local id = KEYS[tiers * steps + 1]
local repeated = id and redis.call('EXISTS', id) or 0
local counts = redis.call('MGET', unpack(KEYS, 1, tiers * steps))
local reply = {1}
for tier = 1, tiers do
  local newest = (tier - 1) * steps + 1
  local sum = 0
  for index = newest, newest + steps - 1 do
    local count = tonumber(counts[index] or 0)
    if index == newest and repeated == 1 then
      count = math.max(0, count - 1)
    end
    reply[index + 1] = count
    sum = sum + count
  end
  if sum >= tonumber(ARGV[tier + 3]) then
    reply[1] = 0
  end
end
if id and repeated == 0 and reply[1] == 1 then
  for tier = 1, tiers do
    local newest = KEYS[(tier - 1) * steps + 1]
    redis.call('INCR', newest)
    redis.call('EXPIRE', newest, ARGV[2])
  end
  redis.call('SET', id, '', 'EX', ARGV[3])
end
return reply
