# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Reads what print_info prints, and compares two of them field by field."""
import re


def parse(text):
    """{'SET, API 1.17': (status, [{'fi_tx_attr.size': '4096', ...}, ...])}"""
    answers = {}
    for line in text.splitlines():
        title = re.fullmatch(r'== (.*): (.*)', line)
        if title:
            entries = []
            answers[title[1]] = (title[2], entries)
        elif line == 'fi_info:':
            entries.append({})
            parents = []
        elif line and line != '---':
            indent = len(line) - len(line.lstrip())
            name, _, value = line.strip().partition(':')
            parents = [parent for parent in parents if parent[0] < indent]
            if value.strip() or line.endswith(': '):
                path = [parent[1] for parent in parents] + [name]
                entries[-1]['.'.join(path)] = value.strip()
            else:
                parents.append((indent, name))
    return answers


def differences(theirs, ours):
    """{'FIELD: THEIRS -> OURS': [where it was seen, ...]}"""
    found = {}

    def note(text, where):
        found.setdefault(text, []).append(where)

    for where in sorted(set(theirs) | set(ours)):
        left, right = theirs.get(where), ours.get(where)
        if left is None or right is None:
            note('answer: %s -> %s' % (left and left[0], right and right[0]), where)
            continue
        if left[0] != right[0]:
            note('status: %s -> %s' % (left[0], right[0]), where)
        if len(left[1]) != len(right[1]):
            note('entries: %d -> %d' % (len(left[1]), len(right[1])), where)
        for one, other in zip(left[1], right[1]):
            for field in sorted(set(one) | set(other)):
                if one.get(field) != other.get(field):
                    note('%s: %s -> %s' % (field, one.get(field), other.get(field)), where)
    return found


def expected(path):
    """Lines of the list of differences without their reasons."""
    lines = set()
    with open(path) as listing:
        for number, line in enumerate(listing, 1):
            if line.startswith('#') or not line.strip():
                continue
            text, _, reason = line.partition('  # ')
            if not reason.strip():
                raise ValueError('%s:%d: a difference without a reason' % (path, number))
            lines.add(text.strip())
    return lines
