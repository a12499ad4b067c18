#include "sallyport/identity/login_pages.hpp"

#include <fmt/format.h>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/form.hpp"

namespace sallyport::identity {
namespace {

constexpr std::size_t kToolsShown = 200;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --text: #1b1f24; --dim: #57606a; --page: #f3f4f6; --card: #fff; --line: #d0d7de;
  --main: #0b5cad; --on-main: #fff; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ed; --dim: #a5afba; --page: #14171b; --card: #1e2329; --line: #3b434c; --main: #79b8ff;
    --on-main: #0b1a2a; --bad: #ff9d94; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--page); color: var(--text); line-height: 1.5;
  font-family: system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 28rem; margin: 6vh auto 2rem; padding: 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: 0 0 .75rem; }
.dim { color: var(--dim); font-size: .9rem; }
.bad { color: var(--bad); font-weight: 600; }
label { display: block; font-weight: 600; margin: 1rem 0 .25rem; }
input { width: 100%; min-height: 44px; padding: .5rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--dim); border-radius: 8px; }
button, a.button { display: block; width: 100%; text-align: center; text-decoration: none; min-height: 44px; margin-top: .75rem; padding: .5rem 1rem; font: inherit; font-weight: 600;
  border-radius: 8px; border: 1px solid var(--main); background: var(--card); color: var(--main); cursor: pointer; }
button.main { background: var(--main); color: var(--on-main); }
button.link { border-color: transparent; font-weight: 400; text-decoration: underline; }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
ul { margin: .25rem 0 .5rem; padding-left: 1.25rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
details { margin: .25rem 0 .75rem; }
summary { cursor: pointer; min-height: 32px; }
form + p, a.button + p { margin-top: 1rem; }
dl { margin: 0 0 .5rem; }
dt { color: var(--dim); font-size: .9rem; }
dd { margin: 0 0 .5rem; }
)";

std::string html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// `leads_away`: what its form is answered with sends the browser elsewhere, perhaps by way of others;
/// browsers hold form-action against all of them, so it cannot be said.
net::Reply page_of(int status, std::string_view title, std::string_view body, bool leads_away = false) {
  static const std::string kPolicy = "default-src 'none'; style-src 'sha256-" + base64(view(sha256(kStyle))) +
                                     "'; base-uri 'none'; frame-ancestors 'none'";
  net::Reply reply{.status = status, .content_type = "text/html; charset=utf-8"};
  reply.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"robots\" content=\"noindex\">\n<title>{} - "
      "Sallyport</title>\n<style>{}</style>\n</head>\n"
      "<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      html(title), kStyle, body);
  reply.headers = {{"Content-Security-Policy", kPolicy + (leads_away ? "" : "; form-action 'self'")},
                   {"Cache-Control", "no-store"},
                   {"Referrer-Policy", "same-origin"},
                   {"X-Content-Type-Options", "nosniff"},
                   {"X-Frame-Options", "DENY"}};
  return reply;
}

std::string hidden(std::string_view name, std::string_view value) {
  return fmt::format("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", name, html(value));
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string list_of(const std::vector<OfferedTool>& tools, bool only_reads) {
  std::string out;
  std::size_t shown = 0, all = 0;
  for (const auto& tool : tools) {
    if (tool.only_reads != only_reads) continue;
    ++all;
    if (shown == kToolsShown) continue;
    ++shown;
    out += fmt::format("<li><code>{}</code>{}</li>\n", html(tool.name),
                       tool.title.empty() ? "" : " " + html(tool.title));
  }
  if (all == 0) return "";
  if (all > shown) out += fmt::format("<li>and {} more</li>\n", all - shown);
  return fmt::format("<details{}>\n<summary>{} that {}</summary>\n<ul>\n{}</ul>\n</details>\n",
                     all <= 8 ? " open" : "", counted(all, "tool", "tools"),
                     only_reads ? (all == 1 ? "only reads" : "only read")
                                : (all == 1 ? "may change things" : "may change things"),
                     out);
}

std::string what_it_can_do(const Offer& offer) {
  if (offer.models)
    return *offer.models == 0 ? "<p>No model at the moment.</p>\n"
                              : fmt::format("<p>It can call {}, at your team's cost.</p>\n",
                                            counted(*offer.models, "model", "models"));
  std::string out = list_of(offer.tools, false) + list_of(offer.tools, true);
  if (offer.tools.empty()) out += "<p>No tool at the moment.</p>\n";
  std::string more;
  if (offer.prompts > 0) more += counted(offer.prompts, "prompt", "prompts");
  if (offer.resources > 0)
    more += (more.empty() ? "" : " and ") + counted(offer.resources, "resource", "resources");
  if (!more.empty()) out += fmt::format("<p>It can also read {}.</p>\n", more);
  return out;
}

std::string password_form(const SignInPage& page) {
  const std::string_view described = page.problem.empty() ? "" : " aria-describedby=\"problem\"";
  // With a provider at hand the keyboard of a phone need not come up.
  const bool focus = page.providers.empty();
  return fmt::format(
      "<form method=\"post\" action=\"/oauth/sign-in\">\n{}"
      "<label for=\"user\">Name</label>\n"
      "<input id=\"user\" name=\"user\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" "
      "spellcheck=\"false\" maxlength=\"128\" required{}{}>\n"
      "<label for=\"password\">Password</label>\n"
      "<input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" "
      "maxlength=\"1024\" required{}{}>\n"
      "<button class=\"main\">Sign in</button>\n</form>\n",
      hidden("request", page.request) + hidden("query", page.query), html(page.name),
      focus && page.name.empty() ? " autofocus" : "", described, page.name.empty() ? "" : " autofocus",
      described);
}

}  // namespace

net::Reply sign_in_page(const SignInPage& page, int status) {
  std::string body = fmt::format(
      "<h1>Sign in</h1>\n<p><strong>{}</strong> wants to act in your name. Sign in to see what it asks "
      "for.</p>\n",
      html(page.client));
  if (!page.problem.empty())
    body += fmt::format("<p class=\"bad\" role=\"alert\" id=\"problem\">{}</p>\n", html(page.problem));
  for (const auto& provider : page.providers)
    body += fmt::format(
        "<a class=\"button\" href=\"/oauth/elsewhere?provider={}{}&amp;request={}&amp;query={}\">Sign in "
        "with {}</a>\n",
        html(provider.name), page.other ? "&amp;other=1" : "", html(page.request), url_encoded(page.query),
        html(provider.title));
  if (page.passwords) body += password_form(page);
  body +=
      fmt::format("<p class=\"dim\">Afterwards you are asked, and then sent to {}.</p>\n", html(page.place));
  return page_of(status, "Sign in", body);
}

net::Reply consent_page(const ConsentPage& page) {
  std::string body = fmt::format("<h1>Let {} use {} in your name?</h1>\n", html(page.client),
                                 page.offer.models ? "models" : "tools");
  body +=
      page.host.empty()
          ? "<p class=\"dim\">That is what the application calls itself; nobody has checked it.</p>\n"
          : fmt::format("<p class=\"dim\">The application describes itself at {}.</p>\n", html(page.host));
  body += fmt::format(
      "<dl>\n<dt>You are</dt><dd><strong>{}</strong></dd>\n<dt>It gets</dt><dd>{}{}<br><code>{}</code></dd>\n"
      "<dt>Then you are sent to</dt><dd>{}</dd>\n</dl>\n",
      html(page.user), html(page.offer.title), page.offer.title.empty() ? "Everything that you may use" : "",
      html(page.resource), html(page.place));
  body += "<h2>What it will be able to do</h2>\n" + what_it_can_do(page.offer);
  if (!page.scopes.empty())
    body += fmt::format("<p>It asks for further rights: <code>{}</code>.</p>\n",
                        html(fmt::format("{}", fmt::join(page.scopes, " "))));
  body +=
      "<p class=\"dim\">It can do so until you or an administrator end it. What it does is recorded under "
      "your name.</p>\n";
  body += fmt::format(
      "<form method=\"post\" action=\"/oauth/consent\">\n{}"
      "<button class=\"main\" name=\"decision\" value=\"allow\">Allow</button>\n"
      "<button name=\"decision\" value=\"deny\">Do not allow</button>\n"
      "<button class=\"link\" name=\"decision\" value=\"other\">Use another account</button>\n</form>\n",
      hidden("request", page.request) + hidden("query", page.query));
  return page_of(200, "Allow access", body, true);
}

net::Reply problem_page(int status, std::string_view title, std::string_view text, std::string_view request,
                        std::string_view query) {
  std::string body = fmt::format("<h1>{}</h1>\n<p role=\"alert\">{}</p>\n", html(title), html(text));
  if (!request.empty())
    body += fmt::format(
        "<form method=\"post\" action=\"/oauth/consent\">\n{}"
        "<button name=\"decision\" value=\"other\">Use another account</button>\n</form>\n",
        hidden("request", request) + hidden("query", query));
  return page_of(status, title, body);
}

}  // namespace sallyport::identity
