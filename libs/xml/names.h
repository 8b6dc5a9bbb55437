#pragma once

// Which characters make names. By the fourth edition of XML 1.0 (appendix B): the fifth allows more, but a name that
// expat refuses would end the streams of the clients it is routed to.
namespace parley::xml {

bool IsNameStart(char32_t code);  // beyond ASCII
bool IsNameChar(char32_t code);   // beyond ASCII

}  // namespace parley::xml
