-- What wrk sends: one method, paths in turn, bodies in which NAME and UNIQUE are replaced.
-- Arguments: method, file of paths, file of the body or "-", content type, "once" or "cycle", threads, token, run, what is accepted
local ffi = require("ffi")
ffi.cdef [[ typedef struct { long s; long ns; } kprov_time; int clock_gettime(int, kprov_time *); ]]
local moment = ffi.new("kprov_time")

local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.s) + tonumber(moment.ns) / 1e9
end

local threads = {}
function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  method, content_type, once, count, run = args[1], args[4], args[5] == "once", tonumber(args[6]), args[8]
  paths = {}
  local at = 0
  for line in io.lines(args[2]) do
    if at % count == number or not once then table.insert(paths, line) end
    at = at + 1
  end
  if args[3] ~= "-" then body = assert(io.open(args[3])):read("*a") end
  headers = { ["Authorization"] = "Bearer " .. args[7], ["Accept"] = args[9] }
  if body then headers["Content-Type"] = content_type end
  sent, began, ended = 0, 0, 0
end

function request()
  if began == 0 then began = now() end
  if once and sent >= #paths then
    if ended == 0 then ended = now() end
    wrk.thread:stop()
    return wrk.format("GET", "/healthz")
  end
  local path = paths[(sent + (once and 0 or number * 37)) % #paths + 1]
  sent = sent + 1
  if not body then return wrk.format(method, path, headers) end
  local unique = run .. "-" .. number .. "-" .. sent
  local name = path:match("[^/?]+$") or ""
  local filled = body:gsub("UNIQUE", unique):gsub("NAME", name)
  return wrk.format(method, path, headers, filled)
end

function done(summary, latency, requests)
  local first, last, asked = 1e18, 0, 0
  for _, thread in ipairs(threads) do
    first = math.min(first, thread:get("began"))
    last = math.max(last, thread:get("ended"))
    asked = asked + thread:get("sent")
  end
  local seconds = summary.duration / 1e6
  local answered = summary.requests
  if last > 0 then seconds, answered = last - first, asked end
  local errors = summary.errors
  io.write(string.format(
    'FIGURES {"requests": %d, "seconds": %.6f, "bytes": %d, "p50": %.3f, "p99": %.3f, "most": %.3f, '
    .. '"refused": %d, "broken": %d}\n',
    answered, seconds, summary.bytes, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
