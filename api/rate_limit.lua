-- Decides all tiers of one request at once: it counts in every tier or in none.
-- KEYS: four steps of each tier, the current one first.
-- ARGV: whether to count (1) or only to look (0), seconds a step is kept, one limit per tier.
-- Returns whether the request may pass, then the counts as they were before it.
local counts = redis.call('MGET', unpack(KEYS))
local passes = 1
local reply = {1}
for tier = 1, #ARGV - 2 do
  local sum = 0
  for index = tier * 4 - 3, tier * 4 do
    local count = tonumber(counts[index] or 0)
    reply[index + 1] = count
    sum = sum + count
  end
  if sum >= tonumber(ARGV[tier + 2]) then
    passes = 0
  end
end
reply[1] = passes
if passes == 1 and ARGV[1] == '1' then
  for tier = 1, #ARGV - 2 do
    redis.call('INCR', KEYS[tier * 4 - 3])
    redis.call('EXPIRE', KEYS[tier * 4 - 3], ARGV[2])
  end
end
return reply
