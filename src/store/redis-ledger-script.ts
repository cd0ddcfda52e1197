/**
 * One exchange of a replica with the ledger of a limit, as one step: takes in what it has settled, takes back what the dead held, and grants.
 * KEYS: seen, held, wanted, due, facts, paused. ARGV: the question as JSON. Returns: known, granted live, granted bulk, ms until asking again helps, left,
 * ms of pause, epoch, whether there are live reads.
 *
 * held: units by `replica|class`. due: settled units that are there again at their score. facts: the epoch, when it began, the sums of what is due, and
 * of a bucket its level and the moment from which it refills.
 */
export const exchangeScript = `
local q = cjson.decode(ARGV[1])
local SEEN, HELD, WANTED, DUE, META, PAUSED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local terms = q.terms
local isWindow = terms.kind == 'window'
local function number(text) return tonumber(text or '0') or 0 end
local function meta(field) return redis.call('HGET', META, field) end
local function setMeta(field, value) redis.call('HSET', META, field, tostring(value)) end
local function addTo(field, units) if units ~= 0 then redis.call('HINCRBYFLOAT', META, field, tostring(units)) end end
local pausedFor = math.max(0, number(redis.call('GET', PAUSED)) - now)

local epoch = meta('epoch')
local isNew = not epoch
local seen = number(redis.call('ZSCORE', SEEN, q.replica))
local isKnown = epoch and q.epoch == epoch and seen > now - q.deadAfterMs
local tells = type(q.outstanding) == 'table'
if not isKnown and not tells then return {0, 0, 0, 0, 0, pausedFor, epoch or '', 0} end
if isNew then
  epoch = q.newEpoch
  setMeta('epoch', epoch)
  setMeta('began', now)
  -- Whoever comes from another ledger does not know what others have taken of the bucket since.
  if not isWindow then setMeta('level', q.epoch == '' and terms.units or 0) end
  if not isWindow and q.epoch ~= '' then setMeta('from', now) end
end
redis.call('ZADD', SEEN, now, q.replica)

local function refill()
  local level, from = number(meta('level')), meta('from')
  if from and now > number(from) then
    level = math.min(terms.units, level + (now - number(from)) * terms.perSecond / 1000)
    if level >= terms.units then redis.call('HDEL', META, 'from') else setMeta('from', now) end
    setMeta('level', level)
  end
  return level
end
local function addDue(class, units, atMs, owner)
  if units <= 0 then return end
  local serial = redis.call('HINCRBY', META, 'serial', 1)
  redis.call('ZADD', DUE, atMs, serial .. '|' .. (owner or q.replica) .. '|' .. class .. '|' .. tostring(units))
  addTo('due:' .. class, units)
end
local function parse(member) return string.match(member, '^%d+|([^|]*)|([^|]*)|(.*)$') end
local function drop(members)
  for _, member in ipairs(members) do
    local _, class, units = parse(member)
    addTo('due:' .. class, -number(units))
    redis.call('ZREM', DUE, member)
  end
end
local function hold(class, units)
  if units ~= 0 then redis.call('HINCRBYFLOAT', HELD, q.replica .. '|' .. class, tostring(units)) end
end
local function settle(list)
  for _, each in ipairs(list) do
    if isWindow then
      if each.inMs > 0 then addDue(each.class, each.units, now + each.inMs) end
    else
      local level = math.min(terms.units, refill() + each.units)
      setMeta('level', level)
      -- A provider's bucket that is still nearly full gains nothing while ours, whose points are reserved already, would.
      local from = meta('from')
      if from and number(from) > now + q.headStartMs then setMeta('from', now + q.headStartMs) end
    end
  end
end

drop(redis.call('ZRANGEBYSCORE', DUE, '-inf', now))
if tells then
  redis.call('HDEL', HELD, q.replica .. '|live', q.replica .. '|bulk')
  local mine = {}
  for _, member in ipairs(redis.call('ZRANGE', DUE, 0, -1)) do
    if parse(member) == q.replica then mine[#mine + 1] = member end
  end
  drop(mine)
  if isWindow then
    hold('live', q.outstanding.held.live)
    hold('bulk', q.outstanding.held.bulk)
    settle(q.outstanding.settled)
  elseif q.outstanding.deficit > 0 then
    local level = refill()
    setMeta('level', level - q.outstanding.deficit)
    if not meta('from') then setMeta('from', now) end
  end
else
  if isWindow then
    for _, each in ipairs(q.settled) do hold(each.class, -each.units) end
  end
  settle(q.settled)
end
if q.taken > 0 then
  if isWindow then hold('live', q.taken) else setMeta('level', refill() - q.taken) end
end

local out = { live = number(meta('due:live')), bulk = number(meta('due:bulk')) }
local left
if isWindow then
  local held = redis.call('HGETALL', HELD)
  for i = 1, #held, 2 do
    local replica, class = string.match(held[i], '^([^|]*)|(.*)$')
    local units = number(held[i + 1])
    if units <= 0 then
      redis.call('HDEL', HELD, held[i])
    elseif number(redis.call('ZSCORE', SEEN, replica)) <= now - q.deadAfterMs then
      -- Its process has gone; what it held may have been sent until now.
      redis.call('HDEL', HELD, held[i])
      if terms.windowMs > 0 then
        addDue(class, units, now + terms.windowMs, replica)
        out[class] = out[class] + units
      end
    else
      out[class] = out[class] + units
    end
  end
  left = terms.units - out.live - out.bulk
else
  left = refill()
end

-- Somebody who does not keep this ledger uses the account too.
if type(q.said) == 'table' then
  if isWindow and terms.windowMs > 0 and q.said.left < left then
    local foreign = math.floor(left - q.said.left)
    addDue('live', foreign, now + math.min(terms.windowMs, q.said.resetInMs), 'foreign')
    left = left - foreign
  elseif not isWindow and left > q.said.left + terms.perSecond / 2 then
    left = q.said.left
    setMeta('level', left)
    if not meta('from') then setMeta('from', now) end
  end
end

local others = { live = 0, bulk = 0 }
local wanted = redis.call('HGETALL', WANTED)
for i = 1, #wanted, 2 do
  local replica, class = string.match(wanted[i], '^([^|]*)|(.*)$')
  local units, at = string.match(wanted[i + 1], '^([^:]*):(.*)$')
  if number(at) <= now - 500 then redis.call('HDEL', WANTED, wanted[i])
  elseif replica ~= q.replica then others[class] = others[class] + number(units) end
end

-- A share of what is there by what each wants; less than the first asker needs is of no use to it.
local function part(room, mine, rivals, first)
  if mine <= 0 or room < first or room <= 0 then return 0 end
  local units = mine
  if mine + rivals > room then units = math.max(1, math.floor(room * mine / (mine + rivals))) end
  return math.max(math.min(units, mine, math.floor(room)), math.min(first, room))
end
if q.wanted.live > 0 then setMeta('live', now) end
local mostMine = isWindow and now < number(meta('began')) + q.newForMs and (q.mostWhileNew - q.mine) or terms.units
local live = part(math.min(left, mostMine), q.wanted.live, others.live, q.first.live)
local room = math.min(left - live - others.live, mostMine - live)
local isBusy = number(meta('live')) > now - 30000
if isWindow then
  room = math.min(room, (isBusy and terms.busyBulk or terms.quietBulk) - out.bulk)
elseif isBusy then
  -- A request that needs nearly all of the bucket would wait for ever for the reserve to be full as well.
  room = math.min(room, room - math.min(terms.reserve, terms.units - q.first.bulk))
end
local bulk = part(room, q.wanted.bulk, others.bulk, q.first.bulk)
left = left - live - bulk

if isWindow then
  hold('live', live)
  hold('bulk', bulk)
elseif live + bulk > 0 then
  setMeta('level', left)
  if not meta('from') then setMeta('from', now + 30000) end
end
local function remember(class, units)
  if units > 0 then redis.call('HSET', WANTED, q.replica .. '|' .. class, units .. ':' .. now)
  else redis.call('HDEL', WANTED, q.replica .. '|' .. class) end
end
remember('live', q.wanted.live - live)
remember('bulk', q.wanted.bulk - bulk)

local again = q.pollMs
if isWindow then
  if terms.windowMs == 0 then again = 10 end
  local nextDue = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  if nextDue[2] then again = math.min(again, math.max(3, number(nextDue[2]) - now)) end
else
  local needed = math.max(1, q.first.live > live and q.first.live or q.first.bulk) - left
  again = math.min(again, math.max(5, math.ceil(needed / terms.perSecond * 1000)))
end
for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], q.keepMs) end
return {1, tostring(live), tostring(bulk), math.ceil(again), tostring(left), pausedFor, epoch, isBusy and 1 or 0}`;

/** Adds to a counter that is forgotten two days later. KEYS: counter. ARGV: units. */
export const spendScript = `
local used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], 172800)
return used`;

/** Rests until a moment, unless a later one is known; fails where Redis takes no writes, also for no rest at all. KEYS: paused. ARGV: ms. */
export const pauseScript = `
redis.call('DEL', KEYS[1] .. ':probe')
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local forMs = tonumber(ARGV[1])
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if forMs > 0 and now + forMs > known then redis.call('SET', KEYS[1], now + forMs, 'PX', forMs) end
return 1`;
