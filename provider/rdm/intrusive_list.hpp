// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Doubly linked lists whose links are members of the elements: nothing is allocated, an element
// leaves without being looked for, and may be in several lists at once by several links.
#ifndef EFA_PROVIDER_RDM_INTRUSIVE_LIST_HPP
#define EFA_PROVIDER_RDM_INTRUSIVE_LIST_HPP

namespace efa::rdm {

// Not copied and not moved: neighbours point here.
class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool in_list() const { return next_ != this; }

  // Does nothing to an element that is in no list.
  void remove() {
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = this;
  }

 private:
  template <class T, Link T::*>
  friend class List;

  Link* prev_ = this;
  Link* next_ = this;
  void* element_ = nullptr;  // that it is a member of; null for the head of a list
};

// Elements of type T by their member kLink, in the order in which they came. Owns nothing.
template <class T, Link T::*kLink>
class List {
 public:
  bool empty() const { return !head_.in_list(); }
  T* front() const { return static_cast<T*>(head_.next_->element_); }

  void push_back(T& element) {
    Link& link = element.*kLink;
    link.element_ = &element;
    link.prev_ = head_.prev_;
    link.next_ = &head_;
    link.prev_->next_ = &link;
    head_.prev_ = &link;
  }

  void push_front(T& element) {
    Link& link = element.*kLink;
    link.element_ = &element;
    link.next_ = head_.next_;
    link.prev_ = &head_;
    link.next_->prev_ = &link;
    head_.next_ = &link;
  }

  // The element after `element`, or null.
  T* after(const T& element) const { return static_cast<T*>((element.*kLink).next_->element_); }

 private:
  Link head_;
};

}  // namespace efa::rdm

#endif
