import json
import sys
import time

import redis

host, port = sys.argv[1].rsplit(":", 1)
r = redis.Redis(host=host, port=int(port), decode_responses=True)
began = time.time()
until = began + float(sys.argv[2].removesuffix("s"))


def read(key):
    kind = r.type(key)
    if kind == "hash":
        value, size = json.dumps(r.hgetall(key)), r.hlen(key)
    elif kind == "list":
        value, size = json.dumps(r.lrange(key, 0, -1)), r.llen(key)
    elif kind == "set":
        value, size = json.dumps(list(r.smembers(key))), r.scard(key)
    elif kind == "zset":
        value, size = json.dumps(r.zrange(key, 0, -1, withscores=True)), r.zcard(key)
    else:
        value, size = r.get(key), r.strlen(key)
    return {"key": key, "value": value, "data_type": kind, "ttl": r.ttl(key), "size": size}


keys, cursor = 0, 0
while True:
    cursor, page = r.scan(cursor, count=100)
    for key in page:
        read(key)
        keys += 1
        if time.time() > until:
            break
    if cursor == 0 or time.time() > until:
        break
print(json.dumps({"Keys": keys, "Seconds": time.time() - began}))
