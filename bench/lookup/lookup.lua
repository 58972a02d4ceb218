-- The requests of a window for wrk. Each one is a line of a file.
-- Arguments: the file, the first byte, the byte after the last one, and for an open loop the number
-- of requests per second.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } moment; int clock_gettime(int, moment *);")

local host, path

local function now()
   local moment = ffi.new("moment")
   ffi.C.clock_gettime(1, moment)
   return tonumber(moment.seconds) + tonumber(moment.nanoseconds) * 1e-9
end

-- Arrivals are a Poisson process. Each free connection takes the next arrival and waits for its time.
-- If no connection is free at that time, the request is sent late and counted as late. Its latency
-- does not include the delay.
local function arrive_at(rate)
   local arrival = now()
   return function()
      arrival = arrival - math.log(1 - math.random()) / rate
      local wait = 1000 * (arrival - now())
      if wait < -1 then late = late + 1 end
      return math.max(0, math.floor(wait + 0.5))
   end
end

function setup(thread)
   window = thread
end

function init(arguments)
   host = wrk.headers["Host"]
   path = wrk.path
   first, last = tonumber(arguments[2]), tonumber(arguments[3])
   queries = assert(io.open(arguments[1], "rb"))
   queries:seek("set", first)
   place = first
   sent, known, rounds = 0, 0, 0
   found, none, refused = 0, 0, 0
   late = 0
   if arguments[4] then
      math.randomseed(1)
      delay = arrive_at(tonumber(arguments[4]))
   end
   head = "POST " .. path .. " HTTP/1.1\r\nHost: " .. host ..
      "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "
end

function request()
   if place >= last then -- all queries were sent: start again, and count the round
      queries:seek("set", first)
      place, rounds = first, rounds + 1
   end
   local line = queries:read("*l")
   place = place + #line + 1
   sent = sent + 1
   if line:byte(1) == 49 then known = known + 1 end
   return head .. (#line - 1) .. "\r\n\r\n" .. line:sub(2)
end

function response(status, headers, body)
   if status ~= 200 then
      refused = refused + 1
   elseif body:find('"score"', 1, true) then
      found = found + 1
   else
      none = none + 1
   end
end

local function milliseconds(microseconds)
   return string.format("%.3f", microseconds / 1000)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write("\n", string.format(
      '{"requests": %d, "seconds": %.6f, "sent": %d, "known": %d, "rounds": %d, ' ..
      '"found": %d, "none": %d, "refused": %d, "late": %d, ',
      summary.requests, summary.duration / 1e6, window:get("sent"), window:get("known"),
      window:get("rounds"), window:get("found"), window:get("none"), window:get("refused"),
      window:get("late")))
   io.write(string.format(
      '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d}, ',
      errors.connect, errors.read, errors.write, errors.timeout))
   io.write(string.format('"latency_ms": {"p50": %s, "p95": %s, "p99": %s, "max": %s}}\n',
      milliseconds(latency:percentile(50)), milliseconds(latency:percentile(95)),
      milliseconds(latency:percentile(99)), milliseconds(latency.max)))
end
