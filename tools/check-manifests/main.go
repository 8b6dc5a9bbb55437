// Whether each Kubernetes object in the files given is one that the API server would decode: every field known, of the
// right type. Custom resources are counted and left out.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	checked, custom, wrong := 0, 0, 0
	for _, name := range os.Args[1:] {
		file, err := os.Open(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(file))
		for {
			text, err := documents.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, name, err)
				os.Exit(2)
			}
			_, _, err = decoder.Decode(text, nil, nil)
			switch {
			case runtime.IsNotRegisteredError(err):
				custom++
			case err != nil:
				wrong++
				fmt.Printf("%s: %v\n", name, err)
			default:
				checked++
			}
		}
	}
	fmt.Printf("%d objects are as Kubernetes' types want them, %d are not, %d custom resources not checked\n", checked, wrong, custom)
	if wrong > 0 || checked == 0 {
		os.Exit(1)
	}
}
