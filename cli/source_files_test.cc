#include "cli/source_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace pilotlight::cli {
namespace {

using testing::ElementsAre;

class SourceFilesTest : public testing::Test {
 protected:
  std::string Path(absl::string_view name) const { return absl::StrCat(directory_.path(), "/", name); }
  void Put(absl::string_view directory, absl::string_view name, absl::string_view text) {
    ASSERT_TRUE(MakeDirectories(Path(directory)).ok());
    ASSERT_TRUE(WriteFileDurably(Path(absl::StrCat(directory, "/", name)), text).ok());
  }

  TemporaryDirectory directory_;
};

TEST_F(SourceFilesTest, TakesTheFileItselfWhereThereIsOne) {
  Put("a", "main.go", "one\ntwo");
  const absl::StatusOr<SourceFile> source = SourceFiles({}).Read(Path("a/main.go"));
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->path, Path("a/main.go"));
  EXPECT_THAT(source->lines, ElementsAre("one", "two"));
}

TEST_F(SourceFilesTest, TakesTheLongestEndThatADirectoryHas) {
  Put("checkout", "cart.go", "another");
  Put("checkout/cart", "cart.go", "this");
  Put("later/build/shop/cart", "cart.go", "of a directory that comes later");
  const SourceFiles files({Path("checkout"), Path("later")});
  EXPECT_THAT(files.Read("/build/shop/cart/cart.go")->lines, ElementsAre("this"));
  EXPECT_THAT(files.Read("shop/cart/cart.go")->lines, ElementsAre("this"));
}

TEST_F(SourceFilesTest, SaysThatThereIsNone) {
  Put("cart.go", "is", "a directory");
  EXPECT_TRUE(absl::IsNotFound(SourceFiles({Path("")}).Read("/build/cart.go").status()));
  EXPECT_TRUE(absl::IsNotFound(SourceFiles({Path("")}).Read("").status()));
}

}  // namespace
}  // namespace pilotlight::cli
