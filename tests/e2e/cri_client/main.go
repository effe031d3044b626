// Starts a pod with one container through a CRI socket, as a kubelet does, and takes it away when its standard input
// ends. Prints the container's ID.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type pod struct {
	Name, Namespace, UID, CgroupParent, LogDirectory string
	Labels, Annotations                              map[string]string
	Container                                        struct {
		Name, Image string
		Command     []string
	}
}

func withKubeletLabels(labels map[string]string, p pod, container string) map[string]string {
	all := map[string]string{
		"io.kubernetes.pod.name":      p.Name,
		"io.kubernetes.pod.namespace": p.Namespace,
		"io.kubernetes.pod.uid":       p.UID,
	}
	if container != "" {
		all["io.kubernetes.container.name"] = container
	}
	for name, value := range labels {
		all[name] = value
	}
	return all
}

func run(runtime cri.RuntimeServiceClient, p pod) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// The node's own network needs no CNI plugin.
	namespaces := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
	sandboxConfig := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: p.Name, Namespace: p.Namespace, Uid: p.UID},
		Labels:       withKubeletLabels(p.Labels, p, ""),
		Annotations:  p.Annotations,
		LogDirectory: p.LogDirectory,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent:    p.CgroupParent,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: namespaces},
		},
	}
	sandbox, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandboxConfig})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: sandbox.PodSandboxId}); err != nil {
			log.Print(err)
		}
		if _, err := runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: sandbox.PodSandboxId}); err != nil {
			log.Print(err)
		}
	}()
	container, err := runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: sandbox.PodSandboxId,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: p.Container.Name},
			Image:    &cri.ImageSpec{Image: p.Container.Image},
			Command:  p.Container.Command,
			LogPath:  p.Container.Name + ".log",
			Labels:   withKubeletLabels(nil, p, p.Container.Name),
			Linux: &cri.LinuxContainerConfig{
				SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: namespaces},
			},
		},
		SandboxConfig: sandboxConfig,
	})
	if err != nil {
		return fmt.Errorf("container: %w", err)
	}
	if _, err := runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: container.ContainerId}); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	fmt.Println(container.ContainerId)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func main() {
	socket := flag.String("socket", "", "of the runtime")
	description := flag.String("pod", "", "the pod, as JSON")
	flag.Parse()
	var p pod
	if err := json.Unmarshal([]byte(*description), &p); err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient("unix://"+*socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	if err := run(cri.NewRuntimeServiceClient(connection), p); err != nil {
		log.Fatal(err)
	}
}
