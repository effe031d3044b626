// Relabels as Prometheus does. Reads {"yaml": …, "labels": …} in lines and answers each with the labels, null when they
// are dropped, or "refused" when the rules are.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"gopkg.in/yaml.v2"
)

type question struct {
	YAML   string
	Labels map[string]string
}

func answer(q question) any {
	var file struct {
		Rules []*relabel.Config `yaml:"relabel_configs"`
	}
	if err := yaml.UnmarshalStrict([]byte(q.YAML), &file); err != nil {
		return "refused"
	}
	relabelled, keep := relabel.Process(labels.FromMap(q.Labels), file.Rules...)
	if !keep {
		return nil
	}
	return relabelled.Map()
}

func main() {
	model.NameValidationScheme = model.LegacyValidation
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q question
		err := in.Decode(&q)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(answer(q)); err != nil {
			log.Fatal(err)
		}
	}
}
