-- Decides all tiers of one request at once: it counts in every tier or in none.
-- KEYS: the steps of each tier, the current one first; then, to count and not only to look, a key
-- of the request's own. While that key is there the request has been counted, and is sent again
-- since the reply got lost.
-- ARGV: steps of a tier, seconds a step is kept, seconds the request's own key is kept, then one
-- limit per tier.
-- Returns whether the request may pass, then the counts as they were before it.
local steps = tonumber(ARGV[1])
local tiers = #ARGV - 3
local own = KEYS[tiers * steps + 1]
local again = own and redis.call('EXISTS', own) or 0
local counts = redis.call('MGET', unpack(KEYS, 1, tiers * steps))
local reply = {1}
for tier = 1, tiers do
  local newest = (tier - 1) * steps + 1
  local sum = 0
  for index = newest, newest + steps - 1 do
    local count = tonumber(counts[index] or 0)
    if index == newest and again == 1 then
      count = math.max(0, count - 1)
    end
    reply[index + 1] = count
    sum = sum + count
  end
  if sum >= tonumber(ARGV[tier + 3]) then
    reply[1] = 0
  end
end
if own and again == 0 and reply[1] == 1 then
  for tier = 1, tiers do
    local newest = KEYS[(tier - 1) * steps + 1]
    redis.call('INCR', newest)
    redis.call('EXPIRE', newest, ARGV[2])
  end
  redis.call('SET', own, '', 'EX', ARGV[3])
end
return reply
