#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Counts what one `meson test` did: count-tests.py testlog.json

Prints "passed failed skipped" and then a line for each failure and skip. A
program that speaks TAP counts with each of its subtests, any other program
once. A program that ended badly counts as a failure even if every subtest it
came to was good.
"""
import json
import re
import sys

passed = failed = skipped = 0
lines = []
with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
    for record in map(json.loads, log):
        name, result = record["name"], record["result"]
        output = record.get("stdout") or ""
        good = bad = passed_over = 0
        for tap in re.finditer(r"^(not )?ok\b(.*)$", output, re.M):
            text = tap.group(2).strip(" -0123456789")
            if re.search(r"#\s*skip", text, re.I):
                passed_over += 1
                lines.append(f"skipped: {name}: {text}")
            elif tap.group(1) and not re.search(r"#\s*todo", text, re.I):
                bad += 1
                lines.append(f"failed: {name}: {text}")
            else:
                good += 1
        if result == "SKIP" and not good + bad + passed_over:
            passed_over = 1
            why = (output + (record.get("stderr") or "")).strip().splitlines()
            lines.append(f"skipped: {name}: {why[-1] if why else 'no reason given'}")
        elif result in ("OK", "EXPECTEDFAIL", "SKIP"):
            good = good or int(not bad + passed_over)
        elif not bad:
            bad = 1
            lines.append(f"failed: {name}: {result.lower()}")
        passed += good
        failed += bad
        skipped += passed_over
print(passed, failed, skipped)
print("\n".join(lines))
