package main

// schedulerArgs are the arguments of the scheduler. Like the controller
// manager it serves nothing and elects no leader.
func (p *plane) schedulerArgs() []string {
	return []string{
		"--kubeconfig=" + p.dir.path(componentKubeconfig(schedulerName)),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=2000",
		"--kube-api-burst=4000",
	}
}
