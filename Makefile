# Every target sets up what it needs by itself; scripts/setup is quick when nothing is missing.
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: help demo test peers soak bench build check setup

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' Makefile

demo: build ## show networks, sandboxes and segmentation on a throw-away host, with times (root)
	@node dist/cli/main.js demo

test: check ## run every test: unit tests, then tests on real namespaces (root)
	@scripts/setup tcpdump conntrack tc iperf3 iptables dig busybox runc crun dockerd musl-gcc
	CNM_SCHEDULES=600 npm test -- --reporter=default --reporter=json --outputFile.json=.reports/unit.json
	npm run test:host -- --reporter=default --reporter=json --outputFile.json=.reports/host.json

soak: build ## five minutes of chaos: clients at work while daemon, keeper and machine are harmed, then random schedules (root)
	@scripts/setup dig
	CNM_CHAOS_SECONDS=300 CNM_CHAOS_SEED=$${CNM_CHAOS_SEED:-$$(date +%s)} npx vitest run --project host test/host/chaos.test.ts
	CNM_SCHEDULES=10000 CNM_SCHEDULE_SEED=$${CNM_CHAOS_SEED:-$$(date +%s)} npx vitest run --project unit src/model/change/random-schedules.test.ts

peers: build ## run the tests that are about other programs beside newer versions of them, from Debian sid (root)
	@scripts/peers

BENCH = attach ports traffic names daemon docker-plugin

bench: build bench/build/floor bench/build/connections bench/build/ask bench/build/responder ## compare with the kernel's floor and with peers; BENCH=ports runs one (root, gcc)
	@scripts/setup iperf3
	@npx tsc -p tsconfig.bench.json
	@for name in $(BENCH); do unshare --net --mount --pid --fork --mount-proc --propagation private \
	  sh -c "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && node bench/build/$$name.js" || exit 1; done

bench/build/%: bench/%.c
	@scripts/setup gcc
	@mkdir -p bench/build
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o $@ $<

build: setup ## compile src/ to dist/
	@rm -rf dist
	npm run --silent build

check: build ## compile everything without output, and lint
	npm run --silent check

setup:
	@scripts/setup
