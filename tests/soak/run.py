"""One soak run: rooms are made, trouble goes on for a while, all is healed, and the servers are compared."""
import collections
import os
import tempfile
import time

from support.authority import Authority

from .hostile import Hostile
from .inquest import inquest
from .judge import Judge
from .options import VERSIONS
from .people import Talker, settle
from .trouble import Troubles
from .world import World


def soak(seed, seconds_, versions=VERSIONS, belfrys=2, with_synapse=True, with_clocks=True, with_hostile=True, with_database=True,
         talkers_each=2, pause_s=0.25, heal_s=180, keep=False, say=print, max_hours=None):
    """What differs or went wrong, as lines; none: all is well."""
    began = time.monotonic()

    def tell(line):
        say("[%5.1f s] %s" % (time.monotonic() - began, line))

    with tempfile.TemporaryDirectory(prefix="belfry-soak-") as folder:
        os.chmod(folder, 0o755)
        world = World(Authority(folder, days=60), folder, belfrys, with_synapse, with_clocks)
        is_good = False
        try:
            tell("seed %s; %s; clocks %s" % (seed, ", ".join("%s is %s %s" % (m.letter, m.kind, m.name) for m in world.members),
                                             "skewed" if world.with_clocks else "as they are"))
            found = _run(world, seed, seconds_, versions, with_hostile, with_database, talkers_each, pause_s, heal_s, tell, max_hours)
            is_good = not found
            return found
        finally:
            if keep and not is_good:
                tell("kept: " + " ".join(member.server.root for member in world.members))
            world.destroy(keep and not is_good)


def _run(world, seed, seconds_, versions, with_hostile, with_database, talkers_each, pause_s, heal_s, tell, max_hours):
    world.start()
    rooms, users, visitors = settle(world, versions, talkers_each)
    people = {member: [Talker(member, user, rooms, visitors, "%s %s %d" % (seed, member.letter, number), pause_s)
                       for number, user in enumerate(those)] for member, those in users.items()}
    talkers = [talker for those in people.values() for talker in those]
    hostile = Hostile(world, rooms, "%s hostile" % seed).enter() if with_hostile else None
    tell("%d rooms, %d people" % (len(rooms), len(talkers) + len(visitors)))
    for thread in talkers + ([hostile] if hostile else []):
        thread.start()
    troubles = Troubles(world, "%s trouble" % seed, tell, with_database)
    end, hours, died = time.monotonic() + seconds_, 0, []
    while time.monotonic() < end and (max_hours is None or hours < max_hours) and not died:
        troubles.hour()
        hours += 1
        died = ["%s ended by itself:\n%s" % (member.letter, member.server.log()[-3000:])
                for member in world.members if member.has_died()]
    found = list(died)
    tell("heal: %d troubled hours, %.1f days by the clocks" % (hours, world.base_s / 86400))
    if not died:
        world.heal()
    for talker in talkers:
        talker.stopping.set()
    for talker in talkers:
        talker.join(120)
        found += ["%s hangs" % talker.name] if talker.is_alive() else []
    if hostile:
        hostile.rest()
    tell("people rest")
    judge = Judge(world, rooms, people, tell)
    if not died:
        tell("converged" if judge.converge(heal_s) else "not converged within %d s" % heal_s)
        found += judge.verdict()
        for views in judge.views.values():
            inquest(views, tell)
    found += troubles.failures + [line for talker in talkers for line in talker.surprises]
    _summary(world, talkers, troubles, hostile, tell)
    if hostile:
        hostile.stop()
    return found


def _summary(world, talkers, troubles, hostile, tell):
    counts = sum((talker.counts for talker in talkers), collections.Counter())
    tell("troubles: " + _counts(troubles.counts))
    tell("people: " + _counts(counts))
    if hostile:
        tell("hostile peer: " + _counts(hostile.counts))
    for member in world.members:
        if member.server.process.poll() is None:
            tell("%s %s: %d MB of memory" % (member.letter, member.kind, member.memory_mb()))


def _counts(counter):
    return ", ".join("%s %d" % pair for pair in sorted(counter.items(), key=str))
