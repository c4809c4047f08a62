#!/usr/bin/env bash
#SBATCH --job-name=reelift
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=2-00:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
# A run on Slurm: Ray's head with the driver on the first machine, a worker on each of the others, all on a file system
# that every machine sees. A job that reaches its time limit, or is preempted, is queued again and goes on: Slurm says so
# two minutes before (--signal), the driver has REELIFT_GRACE seconds of them (90) to finish what its workers have in hand.
#
#   sbatch deploy/slurm.sh /data/tapes --output /data/restored --workspace /data/work
#
# REELIFT_DRY_RUN=1 prints the commands instead of running them. REELIFT_LABEL=name gives all machines but the
# first, whose GPU stages without labels may use, the label pool=name, for pools.<stage>.labels.
set -euo pipefail

run() {
  if [[ -n "${REELIFT_DRY_RUN:-}" ]]; then
    echo "$*"
  else
    "$@"
  fi
}

begin() { # beside this script; a signal to $started reaches the program itself
  started=
  if [[ -n "${REELIFT_DRY_RUN:-}" ]]; then
    echo "$*"
  else
    "$@" &
    started=$!
  fi
}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=$((20000 + SLURM_JOB_ID % 20000))
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
export RAY_ADDRESS=$head:$port
export RAY_AUTH_MODE=token # other users share these machines
RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
export RAY_AUTH_TOKEN

pids=()
driver=
stop() { ((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null || true; }
again() {
  trap '' TERM
  local code=130
  if [[ -n "$driver" ]]; then
    kill -TERM "$driver" 2>/dev/null || true # as Ctrl-C: begin nothing more
    for _ in $(seq "${REELIFT_GRACE:-90}"); do
      kill -0 "$driver" 2>/dev/null || break
      sleep 1
    done
    kill -0 "$driver" 2>/dev/null || { wait "$driver" && code=0 || code=$?; }
  fi
  ((code == 0 || code == 2)) && exit "$code" # all was settled: nothing to go on with
  stop
  run scontrol requeue "$SLURM_JOB_ID"
  exit 0
}
trap stop EXIT
trap again TERM

begin srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" \
  ray start --head --port="$port" --num-cpus="$cpus" --num-gpus="$gpus" --block --disable-usage-stats
pids+=($started)
for node in "${nodes[@]:1}"; do
  begin srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" \
    ray start --address="$RAY_ADDRESS" --num-cpus="$cpus" --num-gpus="$gpus" --block --disable-usage-stats \
    ${REELIFT_LABEL:+--labels "pool=$REELIFT_LABEL"}
  pids+=($started)
done

for _ in $(seq 60); do # until the head answers
  [[ -n "${REELIFT_DRY_RUN:-}" ]] && break
  ray health-check --address "$RAY_ADDRESS" >/dev/null 2>&1 && break
  sleep 2
done
begin python -m jobs.restore "$@" --takeover
driver=$started
[[ -z "$driver" ]] || wait "$driver"
