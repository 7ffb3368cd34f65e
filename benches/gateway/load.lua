-- 1,000 requests, each with one of 50 callers' tokens (or none), over and over.
local requests, number = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, token = line:match("^(%S+) (%S+)$")
    requests[#requests + 1] = wrk.format("GET", path, {
      ["Host"] = "devices.example.com",
      ["User-Agent"] = "load",
      ["Accept"] = "application/json",
      ["Authorization"] = "Bearer " .. token,
    })
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end
