// Reads objects in YAML of kinds that do not come with Kubernetes, and fails at a field that these do not have.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

func kind(apiVersion, kind string) any {
	switch apiVersion + " " + kind {
	case "monitoring.coreos.com/v1 PodMonitor":
		return &monitoring.PodMonitor{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return &monitoring.ServiceMonitor{}
	case "monitoring.coreos.com/v1 PrometheusRule":
		return &monitoring.PrometheusRule{}
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		return &gateway.HTTPRoute{}
	}
	return nil
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	failed := false
	for _, document := range strings.Split(string(text), "\n---\n") {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			panic(err)
		}
		object := kind(head.APIVersion, head.Kind)
		if object == nil {
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", head.Kind, err)
			failed = true
			continue
		}
		fmt.Println(head.Kind)
	}
	if failed {
		os.Exit(1)
	}
}
