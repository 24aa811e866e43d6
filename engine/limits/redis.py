"""RedisBuckets: the limits of many processes, over a Redis that they share.

One script does everything, so that what is looked at and what is taken can not drift apart, and goes by
the clock of Redis. (Libraries were looked at: `limits`, `throttled-py` and `pyrate-limiter` take from one
bucket at a time and give nothing back, so that several scopes could not be taken all or none.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine.limits.base import Demand, Problem, Taken
from engine.limits.line import Line
from engine.limits.memory import LEASE_SECONDS

# KEYS: one for each demand. ARGV: holder, lease in microseconds, "1" if forced; then for each demand its
# capacity, what is restored in a second (0: it has places) and the amount. A bucket is a hash of what is
# left and when that was; places are a sorted set of holders by when their lease ends. Returns
# the first demand that was refused (0: none was) and what is left of each.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local holder, lease, forced = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local left, refused = {}, 0
for i, key in ipairs(KEYS) do
  local capacity, rate = tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2])
  local amount = tonumber(ARGV[i * 3 + 3])
  if rate == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    left[i] = capacity - redis.call('ZCARD', key)
  else
    local stored = redis.call('HMGET', key, 'left', 'at')
    left[i] = capacity
    if stored[1] then
      local seconds = math.max(0, now - stored[2]) / 1000000
      left[i] = math.min(capacity, stored[1] + seconds * rate)
    end
  end
  if refused == 0 and not forced and amount > 0 and left[i] < amount then refused = i end
end
if refused == 0 then
  for i, key in ipairs(KEYS) do
    local capacity, rate = tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2])
    local amount = tonumber(ARGV[i * 3 + 3])
    if rate == 0 and amount > 0 then
      redis.call('ZADD', key, now + lease, holder)
      redis.call('PEXPIRE', key, math.ceil(lease / 1000))
    elseif rate == 0 and amount < 0 then
      redis.call('ZREM', key, holder)
    elseif amount ~= 0 then
      local has = math.min(capacity, left[i] - amount)
      redis.call('HSET', key, 'left', string.format('%.6f', has), 'at', string.format('%.0f', now))
      redis.call('PEXPIRE', key, math.ceil((capacity - has) / rate * 1000) + 1000)
      left[i] = has
    end
    if rate == 0 and amount ~= 0 then left[i] = capacity - redis.call('ZCARD', key) end
  end
end
for i in ipairs(KEYS) do left[i] = string.format('%.6f', left[i]) end
return {refused, unpack(left)}
"""

# KEYS: the places of one limit. ARGV: lease in microseconds, holder. What was lost stays lost.
RENEW = """
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', clock[1] * 1000000 + clock[2] + ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000))
"""


class RedisBuckets:
    """Keeps what is left under `foretell:limit:…`; asks Redis once for all demands of a call."""

    def __init__(self, url: str, *, prefix: str = "foretell", lease_seconds: float = LEASE_SECONDS) -> None:
        self._line = Line(url)
        self._prefix = prefix
        self._lease = int(lease_seconds * 1_000_000)

    async def take(self, demands: Sequence[Demand], holder: str = "", *, forced: bool = False) -> Taken:
        """See `Buckets`."""
        arguments: list[str | int | float] = [holder, self._lease, int(forced)]
        for demand in demands:
            arguments += [demand.limit.capacity, demand.limit.restored_per_second, demand.amount]
        keys = [self._key(demand.limit.key) for demand in demands]
        refused, *left = await self._line.run(TAKE, keys, arguments)
        return Taken(demands, [float(each) for each in left], int(refused) - 1 if refused else None, self)

    async def renew(self, places: Sequence[tuple[str, str]]) -> None:
        """See `Buckets`; each place is renewed by itself, because a cluster has them apart."""
        await asyncio.gather(
            *(self._line.run(RENEW, [self._key(key)], [self._lease, holder]) for key, holder in places)
        )

    async def problem(self) -> Problem | None:
        """See `Buckets`."""
        message = await self._line.problem()
        return None if message is None else Problem(message, refuses=True)

    async def close(self) -> None:
        """See `Buckets`."""
        await self._line.close()

    def _key(self, key: str) -> str:
        return f"{self._prefix}:limit:{key}"
