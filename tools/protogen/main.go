// Command protogen generates Go code from a .proto file by the plugins that the
// module of tools pins. It needs no protoc, and runs in that module's folder:
//
//	go run ./protogen FOLDER FILE.proto [OUTPUT FOLDER]
//
// Without an output folder the code lies beside the .proto file.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins turn a request on standard input into files.
var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("usage: protogen FOLDER FILE.proto [OUTPUT FOLDER]")
	}
	folder, file := args[0], args[1]
	request, err := compile(ctx, folder, file)
	if err != nil {
		return err
	}
	output := args[len(args)-1]
	if len(args) == 2 {
		output = folder
	}
	for _, plugin := range plugins {
		if err := generate(ctx, plugin, request, output); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// compile returns the request that the plugins take.
func compile(ctx context.Context, folder, file string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{folder}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // for the comments
	}
	files, err := compiler.Compile(ctx, file)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{file},
		Parameter:      new("paths=source_relative"),
	}
	for _, f := range files {
		request.ProtoFile = append(request.ProtoFile, withImports(f)...)
	}
	return request, nil
}

// withImports returns a file behind all that it imports.
func withImports(f protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	var all []*descriptorpb.FileDescriptorProto
	for i := range f.Imports().Len() {
		all = append(all, withImports(f.Imports().Get(i).FileDescriptor)...)
	}
	return append(all, protodesc.ToFileDescriptorProto(f))
}

func generate(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest, output string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	for _, f := range response.File {
		if err := os.WriteFile(filepath.Join(output, f.GetName()), []byte(f.GetContent()), 0o644); err != nil { //nolint:gosec // source code
			return err
		}
	}
	return nil
}
