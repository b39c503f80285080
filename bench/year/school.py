"""A school: its people, its rooms, its days. Everything follows from the seed and the number of users.

Of 2,000 people 6 % are staff, 60 % students, 34 % guardians; a class has 30 students. The rates are messages of a room on a school day.
"""
import datetime
import random
import urllib.parse

STAFF, STUDENT, GUARDIAN = "staff", "student", "guardian"

# How much is said on a day, against a school day; and at which hours (of the school's clock).
RATES = {"school": 3, "staff": 45, "department": 15, "class": 26, "guardians": 8, "club": 6, "group": 5, "direct": 1.2, "space": 0}
HOURS = [1, 0, 0, 0, 0, 1, 6, 18, 16, 12, 14, 12, 22, 14, 10, 12, 18, 16, 12, 18, 24, 26, 16, 5]
KINDS = [("message", 70), ("reply", 7), ("thread", 3), ("reaction", 12), ("edit", 3), ("media", 3.4), ("redaction", 0.5), ("state", 0.3)]
ZONE = datetime.timezone(datetime.timedelta(hours=8))


class Person:
    def __init__(self, kind, number):
        self.kind, self.localpart = kind, "%s%04d" % (kind, number)
        self.user_id = self.device_id = self.token = self.second_token = self.quoted = None


class Room:
    def __init__(self, kind, name, members, is_encrypted=False, is_published=False, parents=()):
        # Who makes it comes first: staff, where there is some.
        self.kind, self.name, self.members = kind, name, sorted(members, key=lambda person: person.kind != STAFF)
        self.is_encrypted, self.is_published, self.parents = is_encrypted, is_published, parents
        self.id = self.quoted = None
        self.said = []  # newest (event id, sender) pairs
        self.rate = RATES[kind]


class School:
    def __init__(self, users, seed=1):
        self.chance = random.Random(seed)
        staff = max(2, users * 6 // 100)
        students = max(2, users * 60 // 100)
        self.staff = [Person(STAFF, n) for n in range(staff)]
        self.students = [Person(STUDENT, n) for n in range(students)]
        self.guardians = [Person(GUARDIAN, n) for n in range(max(1, users - staff - students))]
        self.people = self.staff + self.students + self.guardians
        self.rooms = list(self._rooms())
        self.leavers = [person for n, person in enumerate(self.students) if n // 30 % 6 == 5]
        self.newcomers = [Person(STUDENT, students + n) for n in range(len(self.leavers))]

    def _some(self, people, count):
        return self.chance.sample(people, min(len(people), count))

    def _rooms(self):
        """Spaces first: what lies in them comes behind."""
        everybody = self.people
        whole = Room("space", "學校 School", everybody, is_published=True)
        yield whole
        yield Room("school", "全校公告 Whole school", everybody, is_published=True, parents=[whole])
        yield Room("staff", "教職員 Staff", self.staff, parents=[whole])
        for name in ("國文", "English", "數學", "自然", "社會", "藝術", "體育", "資訊", "教務處", "學務處", "輔導室", "總務處")[:max(1, len(self.staff) // 4)]:
            yield Room("department", name, self._some(self.staff, 12), parents=[whole])
        for first in range(0, len(self.students), 30):
            yield from self._class(first // 30, self.students[first:first + 30], whole)
        for number in range(max(1, len(self.students) // 40)):
            yield Room("club", "社團 %d" % number, self._some(self.students, 24) + self._some(self.staff, 1), is_published=True, parents=[whole])
        for number in range(max(1, len(self.students) // 5)):
            yield Room("group", "小組 %d" % number, self._some(self.students, 5))
        for _ in range(len(everybody) * 5 // 4):
            pair = self._some(everybody, 2)
            yield Room("direct", None, pair, is_encrypted=self.chance.random() < 0.6)

    def _class(self, number, students, whole):
        grade, letter = 7 + number % 6, number // 6 + 1
        teachers = self._some(self.staff, 6)
        share = max(1, len(self.guardians) * 30 // len(self.students))
        guardians = self.guardians[number * share:(number + 1) * share] or self._some(self.guardians, share)
        space = Room("space", "%d 年 %d 班" % (grade, letter), students + teachers + guardians, parents=[whole])
        yield space
        yield Room("class", "%d 年 %d 班 Class" % (grade, letter), students + teachers, parents=[space])
        yield Room("guardians", "%d 年 %d 班家長 Guardians" % (grade, letter), guardians + teachers[:1], parents=[space])


def weight_of(day):
    """How much is said on a day of a school year of Taiwan: two terms, weekends, holidays."""
    month_day = (day.month, day.day)
    if month_day in ((10, 10), (1, 1), (2, 28), (4, 4), (4, 5), (5, 1), (9, 28)):
        return 0.25
    if day.month == 7 or day.month == 8 and day.day < 30:
        return 0.12
    if (1, 21) <= month_day <= (2, 10):
        return 0.15
    return 1.0 if day.weekday() < 5 else 0.35


class Deed:
    __slots__ = ("at_ms", "room", "kind", "person")

    def __init__(self, at_ms, room, kind, person):
        self.at_ms, self.room, self.kind, self.person = at_ms, room, kind, person


class Year:
    """The deeds of each day, in order."""

    def __init__(self, school, days, until=None):
        self.school = school
        self.days = [(until or datetime.date.today()) - datetime.timedelta(days=n) for n in range(days, 0, -1)]
        self.kinds = [kind for kind, _ in KINDS]
        self.shares = [share for _, share in KINDS]

    def deeds(self, day):
        chance, weight = self.school.chance, weight_of(day)
        begin_ms = int(datetime.datetime.combine(day, datetime.time(), ZONE).timestamp() * 1000)
        found = []
        for room in self.school.rooms:
            if len(room.members) < 2:
                continue
            expected = room.rate * weight * chance.uniform(0.5, 1.5)
            count = int(expected) + (chance.random() < expected % 1)
            if not count:
                continue
            # What belongs together is said within an hour or two, by few.
            speakers = chance.choices(room.members, k=1 + min(8, count // 2))
            for _ in range(count):
                at_ms = begin_ms + chance.choices(range(24), HOURS)[0] * 3600000 + chance.randrange(3600000)
                found.append(Deed(at_ms, room, chance.choices(self.kinds, self.shares)[0], chance.choice(speakers)))
            for person in self._readers(room):
                found.append(Deed(begin_ms + chance.randrange(8 * 3600000, 24 * 3600000), room, "read", person))
        found.sort(key=lambda deed: deed.at_ms)
        if (day.month, day.day) == (7, 1):
            found += self._change(begin_ms + 24 * 3600000 - 1)
        return found

    def _change(self, at_ms):
        """The end of a school year: the oldest leave all rooms of more than two, newcomers take their places."""
        successor = dict(zip(self.school.leavers, self.school.newcomers))
        found = []
        for room in self.school.rooms:
            going = [person for person in room.members[1:] if person in successor] if room.kind != "direct" else []
            for person in going:
                found += [Deed(at_ms, room, "leave", person), Deed(at_ms, room, "enter", successor[person])]
            if going:
                room.members = [successor.get(person, person) if person in going else person for person in room.members]
        return found

    def _readers(self, room):
        """Receipts of a day: in a large room few people's clients say each day how far they have read."""
        chance = self.school.chance
        return chance.sample(room.members, max(1, min(len(room.members), int(len(room.members) * 0.12 + chance.random()))))


def quote(text):
    return urllib.parse.quote(text, safe="")
