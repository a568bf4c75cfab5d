#!/usr/bin/env python3
"""TAP lines, one a test class: every case that passes on Apache's daemons passes here.

    compare.py REFERENCE LACKING RESULTS...
    compare.py --reference RESULTS...         prints the reference that these results (of Apache) make

REFERENCE  lines "pass CASE" and "fail CASE reason" as they were on Apache's own daemons, fields separated by tabs
LACKING    lines "CASE what it needs": cases of what is not built here, which are told and do not count
"""
import re
import sys
from collections import OrderedDict


def read(names):
    cases = OrderedDict()
    for name in names:
        with open(name, encoding="utf-8") as file:
            for line in file:
                fields = line.rstrip("\n").split("\t")
                if fields[0] in ("pass", "fail", "skip") and len(fields) > 1:
                    cases[fields[1]] = (fields[0], fields[-1] if len(fields) > 2 else "")
    return cases


def reason(text):
    """Short, and the same in each run."""
    if "NoSuchMethodError" in text or "a client cannot tell" in text or "is null" in text or "IllegalAccessError" in text or "NoSuchFieldError" in text:
        return "reaches into the daemons' objects"
    text = re.sub(r"/(dev/shm|tmp|home)/\S+", "…", text)
    text = re.sub(r"\d{4,}", "N", re.sub(r"^(\w+\.)+", "", text))
    return text[:120].strip()


def reference(names):
    for case, (word, why) in sorted(read(names).items()):
        print("pass\t" + case if word == "pass" else f"fail\t{case}\t{'skips itself: ' if word == 'skip' else ''}{reason(why)}")


def compare(wanted, lacking, got):
    by_class = OrderedDict()
    for case, word in list(wanted.items()):  # our own shell is to say what Apache's says
        name, text = case.split("#", 1)
        if name.endswith("CLI") or "CLIWith" in name:
            wanted[f"{name}.shell#{text}"] = word
    for case, (word, _) in wanted.items():
        by_class.setdefault(case.split("#")[0], []).append((case, word))
    bad = number = passed = 0
    for name, cases in by_class.items():
        wrong, missing = [], []
        count = 0
        for case, word in cases:
            result, why = got.get(case, ("", "did not run"))
            if case in lacking:
                missing.append((case, "passes by now" if result == "pass" else "needs " + lacking[case]))
            elif word == "pass" and result != "pass":
                wrong.append((case, why))
            elif word == "pass":
                count += 1
        passed += count
        if not count and not wrong and not missing:
            continue  # nothing that Apache passes
        number += 1
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}: {count} cases that pass on Apache")
        for case, why in wrong:
            print(f"#   {case}: {why:.400}")
        for case, text in missing:
            print(f"#   {case} {text}")
        bad += bool(wrong)
    more = sum(1 for case, (word, _) in got.items() if word == "pass" and wanted.get(case, ("",))[0] != "pass")
    print(f"1..{number}\n# {passed} cases pass, {len(lacking)} lack what is not built, {more} pass that do not on Apache")
    return 1 if bad else 0


if sys.argv[1] == "--reference":
    reference(sys.argv[2:])
else:
    with open(sys.argv[2], encoding="utf-8") as lines:
        needs = dict(line.rstrip("\n").split("\t", 1) for line in lines if "\t" in line and not line.startswith("##"))
    sys.exit(compare(read([sys.argv[1]]), needs, read(sys.argv[3:])))
