#include "cli/flame_screen.h"

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cli/flame_layout.h"
#include "cli/terminal.h"
#include "cli/text_width.h"
#include "exporters/format.h"
#include "exporters/utf8.h"
#include "profile/stack_filter.h"
#include "profile/statistics.h"
#include "re2/re2.h"

namespace pilotlight::cli {
namespace {

constexpr int kEscape = 27;
constexpr int kControlL = 12;
constexpr int kNarrowestText = 3;  // columns of a box that tells its name
constexpr absl::string_view kKeys = "arrows move  Enter zoom  Esc back  / search  n N next, previous  q quit";

// Pairs of colours: two shades of each kind of frame, so that neighbours can be told apart.
constexpr int kShades = 2;
constexpr short kFirstPair = 1;
// Of the 256 colours of xterm; dark text on all of them.
constexpr std::array<std::array<short, kShades>, 5> kKindColours = {{
    {223, 222},  // kUnknown
    {215, 209},  // kGo
    {180, 179},  // kNative
    {174, 167},  // kKernel
    {250, 246},  // kSynthetic
}};
// Of the eight that every terminal with colours has.
constexpr std::array<std::array<short, kShades>, 5> kFewColours = {{
    {COLOR_YELLOW, COLOR_YELLOW},
    {COLOR_YELLOW, COLOR_GREEN},
    {COLOR_CYAN, COLOR_CYAN},
    {COLOR_RED, COLOR_MAGENTA},
    {COLOR_WHITE, COLOR_WHITE},
}};
constexpr short kBlackOf256 = 16;
constexpr short kMarkColour = 45;

class Screen {
 public:
  Screen(const FlameGraph& graph, const ProfileType& type, std::string subject)
      : graph_(graph), type_(type), subject_(std::move(subject)), layout_(graph) {}
  ~Screen() {
    if (screen_ == nullptr) return;
    endwin();
    delscreen(screen_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  absl::Status Open() {
    if (!IsTerminal(STDOUT_FILENO)) {
      return absl::FailedPreconditionError(
          "-i needs a terminal; --out FILE writes the flame graph to a file");
    }
    std::FILE* input = stdin;
    if (!IsTerminal(STDIN_FILENO)) {
      terminal_.reset(std::fopen("/dev/tty", "re"));
      if (terminal_ == nullptr) return absl::FailedPreconditionError("-i needs a terminal to read keys from");
      input = terminal_.get();
    }
    // Names are UTF-8, whatever the locale is of; most terminals are, too.
    const char* const locale = std::setlocale(LC_CTYPE, "");
    if (locale == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    screen_ = newterm(nullptr, stdout, input);
    if (screen_ == nullptr) {
      const char* const term = std::getenv("TERM");
      return absl::FailedPreconditionError(
          absl::StrCat("this terminal (TERM=", term == nullptr ? "" : term,
                       ") cannot be drawn on: set TERM to what it is, as xterm-256color"));
    }
    set_term(screen_);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    mousemask(BUTTON1_CLICKED | BUTTON1_PRESSED | BUTTON1_DOUBLE_CLICKED, nullptr);
    mouseinterval(150);
    if (UseColour(STDOUT_FILENO) && has_colors() == TRUE) StartColours();
    return absl::OkStatus();
  }

  void Run() {
    Resize();
    do Draw();
    while (HandleKey());
  }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void StartColours() {
    start_color();
    use_default_colors();
    coloured_ = true;
    const bool many = COLORS >= 256;
    short pair = kFirstPair;
    for (const auto& shades : many ? kKindColours : kFewColours) {
      for (const short colour : shades) init_pair(pair++, many ? kBlackOf256 : COLOR_BLACK, colour);
    }
    mark_pair_ = pair;
    init_pair(mark_pair_, many ? kBlackOf256 : COLOR_WHITE, many ? kMarkColour : COLOR_BLUE);
  }

  // Below the heading; above what is selected and the keys.
  int graph_rows() const { return std::max(1, LINES - 4); }

  void Resize() {
    layout_.SetWidth(COLS);
    Scroll();
  }

  // So that the selected box is in sight.
  void Scroll() {
    const int row = layout_.selected_row();
    top_ = std::clamp(top_, row - graph_rows() + 1, row);
    const int last = std::max(0, static_cast<int>(layout_.rows().size()) - graph_rows());
    top_ = std::clamp(top_, 0, last);
  }

  void Draw() {
    erase();
    const Sample& total = graph_.nodes[0].total;
    Line(0, A_BOLD,
         absl::StrCat(subject_, "  ", FormatValue(total.value, type_.sample_unit), ", ",
                      FormatCount(static_cast<int64_t>(total.count)), " samples"));
    for (int y = 0; y < graph_rows(); ++y) {
      const size_t row = static_cast<size_t>(top_) + static_cast<size_t>(y);
      if (row >= layout_.rows().size()) break;
      const std::vector<FlameBox>& boxes = layout_.rows()[row];
      for (size_t i = 0; i < boxes.size(); ++i) DrawBox(y + 1, boxes[i], i);
    }
    const auto hidden = static_cast<int>(layout_.rows().size()) - top_ - graph_rows();
    if (hidden > 0) Line(LINES - 3, A_DIM, absl::StrCat("… ", hidden, " more rows below"));
    Line(LINES - 2, A_BOLD, SelectedText());
    Line(LINES - 1, A_NORMAL, message_.empty() ? std::string(kKeys) : message_);
    refresh();
  }

  void DrawBox(int y, const FlameBox& box, size_t number) {
    const FlameGraph::Node& node = graph_.nodes[box.node];
    attr_t attributes = A_NORMAL;
    short pair = 0;
    if (coloured_) {
      pair = static_cast<short>(kFirstPair + static_cast<int>(node.kind) * kShades +
                                static_cast<int>(number % kShades));
      if (layout_.is_marked(box.node)) pair = mark_pair_;
    } else if (number % 2 == 0) {
      attributes |= A_REVERSE;
    }
    if (layout_.is_marked(box.node)) attributes |= A_UNDERLINE;
    if (box.node == layout_.selected()) {
      attributes |= A_BOLD;
      attributes = coloured_ ? attributes | A_REVERSE : attributes ^ A_REVERSE;
    }
    std::string text;
    if (box.width >= kNarrowestText) {
      text = CutMiddle(ToDisplayText(graph_.names[node.name]), static_cast<size_t>(box.width));
    }
    text.append(static_cast<size_t>(box.width) - DisplayWidth(text), ' ');
    attr_set(attributes, pair, nullptr);
    mvaddstr(y, box.column, text.c_str());
    attr_set(A_NORMAL, 0, nullptr);
  }

  void Line(int y, attr_t attributes, const std::string& text) {
    if (y < 0 || COLS < 1) return;
    attr_set(attributes, 0, nullptr);
    mvaddstr(y, 0, FitToColumns(ToDisplayText(text), COLS).c_str());
    attr_set(A_NORMAL, 0, nullptr);
  }

  std::string Share(const Sample& part) const {
    const Sample& whole = graph_.nodes[0].total;
    if (whole.value <= 0) return "0%";
    const Interval sure = WilsonInterval(std::min(part.count, whole.count), whole.count);
    const double share = static_cast<double>(part.value) / static_cast<double>(whole.value);
    return absl::StrCat(FormatValue(part.value, type_.sample_unit), " ", FormatShare(share, sure));
  }

  std::string SelectedText() const {
    const FlameGraph::Node& node = graph_.nodes[layout_.selected()];
    return absl::StrCat("total ", Share(node.total), ", self ", Share(node.self), "  ",
                        graph_.names[node.name]);
  }

  // False: leave.
  bool HandleKey() {
    message_.clear();
    wint_t key = 0;
    const int kind = get_wch(&key);
    if (kind == ERR) return false;  // the terminal has gone
    if (kind == KEY_CODE_YES) {
      HandleSpecialKey(static_cast<int>(key));
    } else if (key == 'q') {
      return false;
    } else {
      HandleCharacter(static_cast<int>(key));
    }
    Scroll();
    return true;
  }

  void HandleSpecialKey(int key) {
    switch (key) {
      case KEY_UP:
        return layout_.SelectCaller();
      case KEY_DOWN:
        return layout_.SelectCallee();
      case KEY_LEFT:
        return layout_.SelectBeside(-1);
      case KEY_RIGHT:
        return layout_.SelectBeside(1);
      case KEY_ENTER:
        return layout_.Zoom(layout_.selected());
      case KEY_BACKSPACE:
        return ZoomOut();
      case KEY_HOME:
        return layout_.Zoom(0);
      case KEY_MOUSE:
        return HandleMouse();
      case KEY_RESIZE:
        return Resize();
      default:
        return;
    }
  }

  void HandleCharacter(int key) {
    switch (key) {
      case 'k':
        return layout_.SelectCaller();
      case 'j':
        return layout_.SelectCallee();
      case 'h':
        return layout_.SelectBeside(-1);
      case 'l':
        return layout_.SelectBeside(1);
      case '\r':
      case '\n':
        return layout_.Zoom(layout_.selected());
      case kEscape:
      case '\b':
      case 0x7f:
        return ZoomOut();
      case '/':
        return Search();
      case 'n':
        return layout_.SelectMarked(1);
      case 'N':
        return layout_.SelectMarked(-1);
      case kControlL:
        clearok(stdscr, TRUE);
        return;
      default:
        message_ = std::string(kKeys);
    }
  }

  // To the caller of what is zoomed.
  void ZoomOut() {
    if (layout_.zoomed() != 0) layout_.Zoom(graph_.nodes[layout_.zoomed()].parent);
  }

  void HandleMouse() {
    MEVENT event;
    if (getmouse(&event) != OK) return;
    const uint32_t before = layout_.selected();
    layout_.SelectAt(top_ + event.y - 1, event.x);
    const bool twice = (event.bstate & BUTTON1_DOUBLE_CLICKED) != 0 || layout_.selected() == before;
    if (twice && event.y >= 1 && event.y <= graph_rows()) layout_.Zoom(layout_.selected());
  }

  void Search() {
    const std::optional<std::string> text = ReadLine("/");
    if (!text) return;
    auto expression = CompileExpression("search", *text);
    if (!expression.ok()) {
      message_ = std::string(expression.status().message());
      return;
    }
    layout_.Mark(expression->get());
    if (*expression == nullptr) return;
    message_ = layout_.marked_count() == 0
                   ? absl::StrCat("nothing matches ", *text)
                   : absl::StrCat(*text, ": ", Share(layout_.marked_total()), ", ",
                                  FormatCount(static_cast<int64_t>(layout_.marked_count())),
                                  " boxes, also those too small to show  n N next, previous");
    layout_.SelectMarked(1);
  }

  // On the last line. Nothing when it is given up.
  std::optional<std::string> ReadLine(absl::string_view prompt) {
    std::string text;
    curs_set(1);
    std::optional<std::string> result;
    while (true) {
      move(LINES - 1, 0);
      clrtoeol();
      Line(LINES - 1, A_NORMAL, absl::StrCat(prompt, text));
      refresh();
      wint_t key = 0;
      const int kind = get_wch(&key);
      if (kind == ERR || key == kEscape) break;
      if (kind == KEY_CODE_YES && key == KEY_RESIZE) {
        Resize();
        Draw();
      } else if (key == '\n' || key == '\r' || (kind == KEY_CODE_YES && key == KEY_ENTER)) {
        result = std::move(text);
        break;
      } else if (key == '\b' || key == 0x7f || (kind == KEY_CODE_YES && key == KEY_BACKSPACE)) {
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
        if (!text.empty()) text.pop_back();
      } else if (kind != KEY_CODE_YES && key >= ' ') {
        AppendUtf8(static_cast<char32_t>(key), text);
      }
    }
    curs_set(0);
    return result;
  }

  const FlameGraph& graph_;
  const ProfileType& type_;
  const std::string subject_;
  FlameLayout layout_;
  std::unique_ptr<std::FILE, CloseFile> terminal_;
  SCREEN* screen_ = nullptr;
  bool coloured_ = false;
  short mark_pair_ = 0;
  int top_ = 0;  // row of the graph on the first line
  std::string message_;
};

}  // namespace

absl::Status ShowFlameScreen(const FlameGraph& graph, const ProfileType& type, const std::string& subject) {
  Screen screen(graph, type, subject);
  if (absl::Status status = screen.Open(); !status.ok()) return status;
  screen.Run();
  return absl::OkStatus();
}

}  // namespace pilotlight::cli
