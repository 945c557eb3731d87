# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# What `cmake --install` does with libefa. It makes a folder that can live beside the distribution's
# files (spec verbs B1, D7): nothing has to be replaced, programs are switched by LD_LIBRARY_PATH and
# RDMAV_DRIVERS, which efa-verbs(7) explains.
#
#   LIB/libefa.so.1.7.VERSION, libefa.so.1     what linked programs load
#   LIB/libibverbs/libefa-rdmavNN.so           link to it, what libibverbs looks for
#   ETC/libibverbs.d/efa.driver                tells a libibverbs of the same prefix about it
#   LIB/libefa.so, LIB/pkgconfig/libefa.pc, INCLUDE/infiniband/, MAN/      for building programs
#
# Components: libefa (to run), libefa-dev (to build programs). Included by userspace/CMakeLists.txt, which sets
# library_version and EFA_PLUGIN_NAME.
set(EFA_MAN_SUFFIX "" CACHE STRING
  "Put after the section of man pages that the distribution has, too, e.g. efa for efadv.7efa")

set(lib ${CMAKE_INSTALL_LIBDIR})
install(TARGETS efa_provider
  LIBRARY DESTINATION ${lib} COMPONENT libefa NAMELINK_COMPONENT libefa-dev)

# make_link TARGET FOLDER NAME: FOLDER/NAME in the prefix becomes a symbolic link to TARGET.
function(make_link component target folder name)
  install(CODE "
    file(MAKE_DIRECTORY \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${folder}\")
    file(CREATE_LINK \"${target}\" \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${folder}/${name}\" SYMBOLIC)"
    COMPONENT ${component})
endfunction()

make_link(libefa ../libefa.so.${library_version} ${lib}/libibverbs ${EFA_PLUGIN_NAME})

# write_file COMPONENT FOLDER NAME: packaging/libefa/NAME.in, with the prefix of the installation.
function(write_file component folder name)
  install(CODE "
    set(prefix \"\${CMAKE_INSTALL_PREFIX}\")
    set(lib \"${lib}\")
    set(include \"${CMAKE_INSTALL_INCLUDEDIR}\")
    set(version \"${library_version}\")
    set(folder \"${folder}\")
    cmake_path(ABSOLUTE_PATH folder BASE_DIRECTORY \"\${prefix}\")
    configure_file(\"${PROJECT_SOURCE_DIR}/packaging/libefa/${name}.in\"
      \"\$ENV{DESTDIR}\${folder}/${name}\" @ONLY)"
    COMPONENT ${component})
endfunction()

write_file(libefa ${CMAKE_INSTALL_SYSCONFDIR}/libibverbs.d efa.driver)
write_file(libefa-dev ${lib}/pkgconfig libefa.pc)

install(FILES include/infiniband/efadv.h include/infiniband/efa_diag.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/infiniband COMPONENT libefa-dev)

# install_page COMPONENT SECTION SUFFIX PAGE [ALIAS...]
function(install_page component section suffix page)
  set(folder ${CMAKE_INSTALL_MANDIR}/man${section})
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/man/${page}.${section} DESTINATION ${folder}
    RENAME ${page}.${section}${suffix} COMPONENT ${component})
  foreach(alias ${ARGN})
    make_link(${component} ${page}.${section}${suffix} ${folder} ${alias}.${section}${suffix})
  endforeach()
endfunction()

foreach(page create_comp_cntr create_driver_qp create_qp_ex query_ah query_cq query_device query_mr
    query_qp_wqs)
  install_page(libefa-dev 3 "${EFA_MAN_SUFFIX}" efadv_${page})
endforeach()
install_page(libefa-dev 3 "${EFA_MAN_SUFFIX}" efadv_create_cq
  efadv_cq_from_ibv_cq_ex efadv_wc_read_sgid efadv_wc_is_unsolicited)
install_page(libefa-dev 3 "${EFA_MAN_SUFFIX}" efadv_get_max_sq_depth efadv_get_max_rq_depth)
install_page(libefa-dev 3 "${EFA_MAN_SUFFIX}" efadv_wr_set_processing_hints efadv_qp_from_ibv_qp_ex)
install_page(libefa-dev 7 "${EFA_MAN_SUFFIX}" efadv)
# The distribution has none of these.
install_page(libefa-dev 3 "" efa_vendor_err_str)
install_page(libefa 7 "" efa-verbs)
