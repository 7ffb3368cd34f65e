#!/usr/bin/env python3
"""A W3C Web of Things server for the tests, made of the public package `webthing`: three things, on loopback only.

    things.py PORT [--until-stdin-closes]     PORT 0: any free one; prints `ready PORT`

The package would listen on all addresses and announce itself by mDNS; `LoopbackServer.start` does neither.
"""
import argparse
import sys
import threading
import time
import uuid

import tornado.ioloop
import tornado.netutil
from webthing import Action, Event, MultipleThings, Property, Thing, Value, WebThingServer

LOOPBACK = "127.0.0.1"


class LoopbackServer(WebThingServer):
    """The package's server without its network announcement."""

    def __init__(self, things, port):
        self.sockets = tornado.netutil.bind_sockets(port, LOOPBACK)
        super().__init__(things, port=self.sockets[0].getsockname()[1])

    def start(self):
        self.server.add_sockets(self.sockets)
        print("ready", self.port, flush=True)
        tornado.ioloop.IOLoop.current().start()


class Move(Action):
    """Brings `level` to the level that was asked for."""

    name = "move"

    def __init__(self, thing, input_):
        super().__init__(uuid.uuid4().hex, thing, self.name, input_=input_)

    def perform_action(self):
        time.sleep(self.input.get("duration", 0) / 1000)
        self.thing.set_property("level", self.input["level"])
        self.thing.add_event(Event(self.thing, "moved", data=self.input["level"]))


class Fade(Move):
    name = "fade"


class Open(Move):
    name = "open"


def thing(name, title, type_, action):
    made = Thing("urn:dev:ops:" + name, title, [type_], "A thing of the integration tests")
    made.add_property(Property(made, "on", Value(False), {"@type": "OnOffProperty", "title": "On", "type": "boolean"}))
    level = {"@type": "LevelProperty", "title": "Level", "type": "integer", "minimum": 0, "maximum": 100}
    made.add_property(Property(made, "level", Value(50), level))
    duration = {"type": "integer", "minimum": 0, "maximum": 1000, "unit": "milliseconds"}
    input_ = {"type": "object", "required": ["level"], "properties": {"level": level, "duration": duration}}
    made.add_available_action(action.name, {"title": action.name.title(), "input": input_}, action)
    made.add_available_event("moved", {"description": "The level was reached", "type": "number"})
    return made


def things():
    """In this order: their paths are /0, /1 and /2."""
    return [
        thing("garage-door", "Garage door", "DoorSensor", Open),
        thing("lamp", "Lamp", "Light", Fade),
        thing("drinking-machine", "Drinking machine", "SmartPlug", Open),
    ]


def end_with_stdin():
    """A test that is killed takes its server along."""
    sys.stdin.buffer.read()
    loop.add_callback(loop.stop)


parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--until-stdin-closes", action="store_true")
arguments = parser.parse_args()
loop = tornado.ioloop.IOLoop.current()
if arguments.until_stdin_closes:
    threading.Thread(target=end_with_stdin, daemon=True).start()
LoopbackServer(MultipleThings(things(), "things"), arguments.port).start()
