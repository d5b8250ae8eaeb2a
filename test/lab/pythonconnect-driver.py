"""Runs a checkout of pythonConnect by JSON lines: pythonconnect-driver.py CHECKOUT NAME

Commands: {"op":"send","to":..,"text":..}, {"op":"ask","id":..,"to":[..],"question":..,"timeoutMs":..}, {"op":"leave"}.
Events: message {from, text}, question {from, question}, remotes {names}, error {text}, answers {id, values, tookMs}.
"""

import json
import sys
import threading
import time

sys.path.insert(0, sys.argv[1])
import connect  # noqa: E402  (from the checkout)

lock = threading.Lock()


def tell(event, **fields):
    with lock:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


def on_question(question, source):
    tell("question", **{"from": source, "question": question})
    if question.startswith("slow"):
        time.sleep(0.3)
    return "re:" + question


def ask(node, command):
    started = time.time()
    values = node.askDevice(command["question"], command["to"], command.get("timeoutMs", 2000) / 1000)
    tell("answers", id=command.get("id"), values=values, tookMs=(time.time() - started) * 1000)


node = connect.Connect(
    fr=lambda text, source: tell("message", **{"from": source, "text": text}),
    fhu=lambda remotes: tell("remotes", names=sorted(map(str, remotes))),
    fe=lambda request: tell("error", text=str(request)),
    fa=on_question,
    name=sys.argv[2],
)
tell("started")
for line in sys.stdin:
    command = json.loads(line)
    if command["op"] == "send":
        node.sendMessage(command["text"], command["to"])
    elif command["op"] == "ask":
        threading.Thread(target=ask, args=(node, command), daemon=True).start()
    elif command["op"] == "list":
        tell("listed", names=sorted(map(str, node.remoteDevices)))
    elif command["op"] == "leave":
        node.leavingNetwork()
