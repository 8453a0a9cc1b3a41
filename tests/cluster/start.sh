#!/bin/bash
# Start a throw-away SLURM on this machine: a controller and nodes n1, n2, … that are processes on loopback.
# usage: start.sh FOLDER NODES CPUS MEMORY_MB GPUS     (CPUs, memory and toy GPUs of each node)
# Needs root and slurm-wlm; no munge, systemd, cgroups or database. Nothing outside FOLDER is written.
set -euo pipefail
folder=$1 nodes=$2 cpus=$3 memory=$4 gpus=$5
port=17817 # of the controller; those after it are the nodes'
host=$(hostname -s)
mkdir -p "$folder"/{state,log,bin}

{
  cat << EOF
ClusterName=toy
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
MinJobAge=3600
KillWait=2
GresTypes=gpu
PartitionName=toy Nodes=n[1-$nodes] Default=YES MaxTime=2-0 State=UP
EOF
  for i in $(seq "$nodes"); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=$cpus RealMemory=$memory Gres=gpu:toy:$gpus"
  done
} > "$folder/slurm.conf"

# A toy GPU is a device file that nobody opens.
for g in $(seq 0 $((gpus - 1))); do
  [ -e "$folder/gpu$g" ] || mknod "$folder/gpu$g" c 1 3
done
echo "NodeName=n[1-$nodes] Name=gpu Type=toy File=$folder/gpu[0-$((gpus - 1))]" > "$folder/gres.conf"

# The executor's jobs start srun without SLURM_CONF.
cat > "$folder/bin/srun" << EOF
#!/bin/sh
SLURM_CONF=$folder/slurm.conf exec $(command -v srun) "\$@"
EOF
chmod +x "$folder/bin/srun"

export SLURM_CONF=$folder/slurm.conf
slurmctld
for i in $(seq "$nodes"); do
  mkdir -p "$folder/n$i"
  slurmd -N "n$i"
done
for _ in $(seq 100); do
  [ "$(sinfo -h -N -t idle -o %N 2> /dev/null | wc -l)" = "$nodes" ] && exit
  sleep 0.1
done
echo "SLURM did not start; see $folder/log" >&2
exit 1
